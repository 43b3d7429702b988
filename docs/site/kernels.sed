# Doxygen's input filter for kernels: their comments are for readers of the source; here they become documentation.
1s,^#pragma once$,/// \\file,
s,^//( |$),///\1,
s,(^///.*[^#\\&A-Za-z0-9])#([a-z]),\1\\#\2,g
