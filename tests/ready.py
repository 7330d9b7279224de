"""What every process would do first, done once before they are forked.

To load the compiled decoder takes 0.2 s. The collector need not look again at what was
imported; that it does not write to it keeps those pages shared.
"""

import gc

from ingest.decode.scan import make_ready

make_ready()
gc.freeze()
