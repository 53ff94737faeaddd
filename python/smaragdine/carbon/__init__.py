"""What energy means for the climate: places, intensities of their electricity, emissions, and statements about them.

    from smaragdine.carbon import Place
    trace.emissions(Place("CA-QC", pue=1.2))

Nothing here asks the network unless a provider is named (`smaragdine.carbon.live`). There is no default place.
"""

from smaragdine.carbon.emissions import Emissions
from smaragdine.carbon.intensity import Intensity
from smaragdine.carbon.place import Place

__all__ = ["Emissions", "Intensity", "Place"]
