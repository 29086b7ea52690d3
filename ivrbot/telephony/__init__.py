"""Gateways: how legs come in (AudioSocket, softphone, microphone), one clock for their sound, control of the PBX.

Takes connections and devices, gives `Leg`s to a `CallDoor` and drives `MediaSink`s. May import: media and below.
"""
