"""What QGTM trades and what it only looks at. Static facts of instruments; no prices."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Metal(StrEnum):
    """Economic group of an instrument, for concentration limits."""

    GOLD = "gold"
    SILVER = "silver"
    PLATINUM = "platinum"
    PALLADIUM = "palladium"
    MINERS = "miners"
    REFERENCE = "reference"


@dataclass(frozen=True, slots=True)
class Instrument:
    """One listed instrument.

    `half_spread_bp` is a conservative typical half-spread in basis points, used where no quote is known;
    `leverage` multiplies the exposure of leveraged funds in the limits.
    """

    symbol: str
    name: str
    metal: Metal
    half_spread_bp: float
    leverage: float = 1.0
    traded: bool = True


_ALL = (
    Instrument("GLD", "SPDR Gold Shares", Metal.GOLD, 0.5),
    Instrument("IAU", "iShares Gold Trust", Metal.GOLD, 1.5),
    Instrument("GLDM", "SPDR Gold MiniShares", Metal.GOLD, 1.5),
    Instrument("SGOL", "abrdn Physical Gold", Metal.GOLD, 3.0),
    Instrument("PHYS", "Sprott Physical Gold Trust", Metal.GOLD, 3.0),
    Instrument("SLV", "iShares Silver Trust", Metal.SILVER, 2.0),
    Instrument("SIVR", "abrdn Physical Silver", Metal.SILVER, 4.0),
    Instrument("PSLV", "Sprott Physical Silver Trust", Metal.SILVER, 7.0),
    Instrument("PPLT", "abrdn Physical Platinum", Metal.PLATINUM, 5.0),
    Instrument("PALL", "abrdn Physical Palladium", Metal.PALLADIUM, 10.0),
    Instrument("GDX", "VanEck Gold Miners", Metal.MINERS, 1.5),
    Instrument("GDXJ", "VanEck Junior Gold Miners", Metal.MINERS, 2.0),
    Instrument("SIL", "Global X Silver Miners", Metal.MINERS, 5.0),
    Instrument("NEM", "Newmont", Metal.MINERS, 1.5),
    Instrument("AEM", "Agnico Eagle", Metal.MINERS, 2.0),
    Instrument("FNV", "Franco-Nevada", Metal.MINERS, 3.0),
    Instrument("WPM", "Wheaton Precious Metals", Metal.MINERS, 2.0),
    Instrument("RGLD", "Royal Gold", Metal.MINERS, 4.0),
    Instrument("UGL", "ProShares Ultra Gold", Metal.GOLD, 6.0, leverage=2.0),
    Instrument("AGQ", "ProShares Ultra Silver", Metal.SILVER, 6.0, leverage=2.0),
    Instrument("SPY", "SPDR S&P 500", Metal.REFERENCE, 0.2, traded=False),
    Instrument("UUP", "Invesco DB US Dollar", Metal.REFERENCE, 2.0, traded=False),
    Instrument("TIP", "iShares TIPS Bond", Metal.REFERENCE, 1.0, traded=False),
    Instrument("TLT", "iShares 20+ Year Treasury", Metal.REFERENCE, 0.6, traded=False),
    Instrument("IEF", "iShares 7-10 Year Treasury", Metal.REFERENCE, 0.6, traded=False),
    Instrument("CPER", "US Copper Index Fund", Metal.REFERENCE, 10.0, traded=False),
    Instrument("XLI", "Industrial Select Sector SPDR", Metal.REFERENCE, 0.5, traded=False),
    Instrument("USO", "US Oil Fund", Metal.REFERENCE, 1.5, traded=False),
)
INSTRUMENTS: dict[str, Instrument] = {i.symbol: i for i in _ALL}
TRADED: tuple[str, ...] = tuple(i.symbol for i in _ALL if i.traded)
