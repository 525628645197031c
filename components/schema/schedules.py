"""What runs by the clock: how often it must run, and what its time zone leaves out."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Self

from pydantic import Field, model_validator

from components import schedule
from components.faults import Clash
from components.schema.base import Model
from components.values import Cron

LONGEST = 24 * 32
"""The largest maxAgeHours, in hours: a month and a day."""
MaxAge = Annotated[int, Field(ge=1, le=LONGEST)]


class Scheduled(Model):
    """A schedule, and the age in hours at which the checks call its newest result too old."""

    schedule: Cron
    max_age_hours: MaxAge

    @model_validator(mode="after")
    def _often_enough(self) -> Self:
        pause = schedule.longest_pause(self.schedule)
        hours = -(-pause // timedelta(hours=1))
        if hours < self.max_age_hours:
            return self
        other = f", or a maxAgeHours of {hours + 1} or more" if hours < LONGEST else ""
        raise Clash(
            self.clash(
                ("maxAgeHours", "schedule"),
                f"{self.said('schedule')} leaves up to {hours} h between two runs, so that the checks would"
                f" find the newest one older than {self.said('maxAgeHours')}; write a schedule that runs more"
                f" often{other}",
            )
        )

    def skipped(self, time_zone: str, today: datetime) -> list[datetime]:
        """Local times of the next year that clocks leave out, so that the newest result gets too old."""
        return schedule.skipped(self.schedule, time_zone, timedelta(hours=self.max_age_hours), today)
