# Doxygen's input filter for headers: #include in a comment is no link.
\,///,s,(^|[^#\\&A-Za-z0-9])#([a-z]),\1\\#\2,g
