"""What the backup's Job is called in messages, and which settings raise its limits."""

from facts import backup as facts
from filewallball.jobs.following import Work

WORK = Work(
    "backup",
    facts.CONTAINER,
    memory="filewallball:backup.resources.memoryLimit",
    deadline="filewallball:backup.deadlineMinutes",
)
