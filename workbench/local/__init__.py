"""The local environment of `make run`: the AWS emulator, a real deploy into it, the Twilio double and the inbox.

May import deployment and chalicelib.
"""
