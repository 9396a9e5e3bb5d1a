"""What counts as mined ground within a detection."""

from pydantic import Field

from minewatch.types import Settings


class OutlineRule(Settings):
    """What counts as mined ground in a composite: bare ground, and ponds beside it.

    A pixel is **bare** where NDVI (Rouse et al. 1974) is below `max_ndvi` and it is not water;
    **water** where MNDWI (Xu 2006) is above `min_mndwi`. Water is a **pond** if its connected body
    is no larger than `max_pond_ha` and comes within `reach_m` of bare ground: rivers and lakes are
    none. Specks of bare ground and ponds together that are smaller than `least_ha` are left out.
    Indices are spyndex's.

    It knows nothing but the colour of ground: a pasture, a road, a village or a sandbank inside a
    detected window is bare ground as well, and a mine grown over, or with a pond larger than
    `max_pond_ha`, is not seen. The defaults are for surface reflectance (L2A) and were chosen on
    made-up valleys; look at a few outlines over your own composite.

    References
    ----------
    Rouse, J. W., Haas, R. H., Schell, J. A., Deering, D. W. (1974), Monitoring vegetation systems
    in the Great Plains with ERTS, NASA SP-351, 309–317.

    Xu, H. (2006), Modification of normalised difference water index (NDWI) to enhance open water
    features in remotely sensed imagery, International Journal of Remote Sensing 27, 3025–3033,
    https://doi.org/10.1080/01431160600589179.
    """

    max_ndvi: float = Field(default=0.4, ge=-1, le=1)
    """Denser green is vegetation."""
    min_mndwi: float = Field(default=0.0, ge=-1, le=1)
    """Wetter is water."""
    max_pond_ha: float = Field(default=5.0, ge=0)
    """Larger bodies of water are rivers and lakes, hectares."""
    reach_m: float = Field(default=30.0, ge=0)
    """How near to bare ground a pond comes, metres."""
    least_ha: float = Field(default=0.04, ge=0)
    """Smaller specks are left out, hectares."""
    margin_m: float = Field(default=600.0, ge=0, le=5_000)
    """How far around a detection is read, so that what reaches out of it is seen whole; metres."""
