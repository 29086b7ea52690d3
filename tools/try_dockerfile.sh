#!/bin/sh
# Runs the Dockerfile's steps without a Docker engine: RUN and COPY lines, each stage in a copy of a Debian folder.
#
#   debootstrap --variant=minbase trixie BASE MIRROR      # once, as root; MIRROR as in the machine's own apt sources
#   tools/try_dockerfile.sh BASE WORK                     # as root; the image's files are then in WORK/final
#
# What it leaves out: USER, VOLUME, HEALTHCHECK, ENTRYPOINT. Start the result by hand, for example
#   chroot --userspec=ivrbot WORK/final /opt/ivrbot/.venv/bin/ivrbot doctor
set -eu

base=$(realpath "$1")
mkdir -p "$2"
work=$(realpath "$2")
cd "$(dirname "$0")/.."

mounted=""
clean_up() { for folder in $mounted; do umount -l "$folder/proc" "$folder/dev"; done; }
trap clean_up EXIT

root="" dir=/ environment=""
# Continued lines become one; comments and blank lines go.
sed -e '/^[[:space:]]*#/d' -e '/^[[:space:]]*$/d' Dockerfile | sed -e ':a' -e '/\\$/N; s/\\\n//; ta' >"$work/steps"
while read -r word rest; do
  case $word in
    FROM)
      case $rest in *" AS "*) name=${rest##* } ;; *) name=final ;; esac
      root=$work/$name dir=/ environment=""
      rm -rf --one-file-system "$root"
      cp -a "$base" "$root"
      mkdir -p "$root/proc" "$root/dev"
      mount -t proc proc "$root/proc"
      mount --bind /dev "$root/dev"
      mounted="$mounted $root"
      ;;
    WORKDIR) dir=$rest && mkdir -p "$root$dir" ;;
    ENV) environment="$environment $rest" ;;
    RUN)
      echo "RUN $rest"
      # shellcheck disable=SC2086 # several NAME=VALUE words
      chroot "$root" env $environment sh -ec "cd $dir; $rest" </dev/null
      ;;
    COPY)
      echo "COPY $rest"
      from=. target=${rest##* } sources=${rest% *}
      case $sources in --from=*) from=${sources%% *} from=$work/${from#--from=} sources=${sources#* } ;; esac
      case $target in /*) target=$root$target ;; *) target=$root$dir/$target ;; esac
      for source in $sources; do
        if [ -d "$from/$source" ]; then mkdir -p "$target" && cp -a "$from/$source/." "$target/"
        else mkdir -p "$(dirname "$target/x")" && cp -a "$from/$source" "$target"; fi
      done
      ;;
  esac
done <"$work/steps"
