/* The floor: a TCP echo on epoll that looks at nothing. Prints its port, serves until killed. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

int main(void)
{
    int listener = socket(AF_INET, SOCK_STREAM, 0), poll = epoll_create1(0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    struct epoll_event events[256], wanted = {.events = EPOLLIN, .data.fd = listener};
    char bytes[65536];

    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 1024))
        return 1;
    getsockname(listener, (struct sockaddr *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &wanted);
    for (;;) {
        int count = epoll_wait(poll, events, 256, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                wanted.data.fd = accept(listener, NULL, NULL);
                setsockopt(wanted.data.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                epoll_ctl(poll, EPOLL_CTL_ADD, wanted.data.fd, &wanted);
                continue;
            }
            ssize_t got = read(fd, bytes, sizeof bytes);
            if (got <= 0 || write(fd, bytes, got) != got)
                close(fd);
        }
    }
}
