"""The laboratory in Wireshark: what names its frames there, what installs that, and what makes captures."""
