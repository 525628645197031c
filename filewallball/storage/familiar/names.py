"""The cache's keys, and how long what stands there lives."""

from __future__ import annotations


class CacheKeys:
    """Fill one in with `CacheKeys.FILE_META.format(file_uuid=…)`, or by the function of the same name."""

    FILE_META = "file:meta:{file_uuid}"
    SESSION = "session:user:{user_id}"
    TEMP_UPLOAD_PROGRESS = "temp:upload:progress:{upload_id}"

    @classmethod
    def file_meta(cls, file_uuid: object) -> str:
        return cls.FILE_META.format(file_uuid=file_uuid)

    @classmethod
    def session(cls, user_id: object) -> str:
        return cls.SESSION.format(user_id=user_id)

    @classmethod
    def temp_upload_progress(cls, upload_id: object) -> str:
        return cls.TEMP_UPLOAD_PROGRESS.format(upload_id=upload_id)


class CacheTTL:
    """In seconds: an hour, a day, ten minutes."""

    FILE_META = 3600
    SESSION = 86_400
    TEMP_DATA = 600
