"""What comes back from people and their providers: outcomes of mails, opt-outs, replies by text, links in mails. May import what
delivery may.
"""
