"""`netlab check` and `netlab check-client`: judge anybody's server or client, and name the likely mistake.

`cases` say what is asked, each as data and one short function; `server` and `client` are the two sides that
the checker plays for them, over plain sockets (`connection`), in frames of its own making (`formats`);
`battery` runs them. `programs` starts what is to be judged, `output` keeps what it writes, `kernel` asks the
system about it, `isolation` gives it a network of its own. What was seen is `evidence`; `models` are the
mistakes that people make, each a small server or client that makes it. `agreement` says whether one would
have been seen so, `search` finds the few that explain it all, `diagnosis` names them. `findings` is what
comes out, and `reports` shows it; `classroom` does it for a whole class.

It imports of netlab what says how bytes look (wire), and nothing of its servers and clients: netlab is not
judged by its own logic.
"""
