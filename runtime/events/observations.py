"""What feeds observe. The bounds of a field say what is absurd; feeds refuse it."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field


class Observation(BaseModel):
    """Base of all observed events; unknown fields are refused.

    `level`: a later event of an aggregate says all that an earlier one said, which may
    therefore be left out where there are too many. Any other event is a fact of its own.
    """

    level: ClassVar[bool] = False
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class PoolRateObserved(Observation):
    """The rates of a lending pool, as fractions a year (APR): 0.0358 is 3.58 %."""

    level: ClassVar[bool] = True
    rate: float = Field(ge=-1.0, le=2.0, description="supply rate, fraction a year")
    borrow_rate: float | None = Field(None, ge=-1.0, le=5.0, description="fraction a year")
    liquidity: float | None = Field(None, ge=0.0, description="supplied amount, in tokens")
    index: float | None = Field(None, gt=0.0, description="accrual index of the supply side")
    frozen: bool | None = Field(None, description="the pool takes no new deposits")
    network: str | None = None
    symbol: str | None = None
    asset: str | None = Field(None, description="token address, lower case")


class PriceObserved(Observation):
    """A price in units of the quote currency."""

    level: ClassVar[bool] = True
    price: float = Field(gt=0.0, le=1e12, description="quote units per base unit")
    size: float | None = Field(None, ge=0.0, description="quantity behind the price, base units")
    symbol: str | None = None


class TradeObserved(Observation):
    """A trade that took place."""

    price: float = Field(gt=0.0, le=1e12, description="quote units per base unit")
    size: float = Field(gt=0.0, le=1e18, description="base units")
    symbol: str | None = None
    side: str | None = Field(None, description="'buy' or 'sell', the taker's side")


class GasPriceObserved(Observation):
    """The gas price of a network."""

    level: ClassVar[bool] = True
    gwei: float = Field(ge=0.0, le=1e7, description="1e-9 of the native coin, per unit of gas")
    network: str | None = None


class UserActionRecorded(Observation):
    """Something a user did with a position."""

    action: str = Field(min_length=1)
    amount: float | None = Field(None, ge=0.0, description="in units of `symbol`")
    symbol: str | None = None
    user: str | None = None
