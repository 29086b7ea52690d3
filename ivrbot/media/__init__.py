"""Sound without devices: G.711, resampling, 20 ms framing, WAV files, levels, and response gaps measured on sound.

Takes bytes, gives bytes and numbers; pure but for reading and writing WAV files. May import: ports and below.
"""
