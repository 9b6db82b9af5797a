"""What is uploaded never touches the disk: in a list of keys somebody was sent stand secrets."""

from io import BytesIO
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import InMemoryUploadedFile
from django.core.files.uploadhandler import FileUploadHandler


class InMemory(FileUploadHandler):
    """Holds files of up to settings.FILE_UPLOAD_MAX_MEMORY_SIZE bytes in all, with the form they
    come in. Of anything larger nothing is kept but its size, by which a form refuses it.
    """

    def handle_raw_input(
        self, input_data: Any, meta: dict[str, Any], content_length: int, *_more: Any
    ) -> None:
        largest = settings.FILE_UPLOAD_MAX_MEMORY_SIZE + settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        self._fits = content_length <= largest

    def new_file(self, *about: Any, **more: Any) -> None:
        super().new_file(*about, **more)
        self._kept = BytesIO()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if self._fits:
            self._kept.write(raw_data)

    def file_complete(self, file_size: int) -> InMemoryUploadedFile:
        self._kept.seek(0)
        return InMemoryUploadedFile(
            file=self._kept,
            field_name=self.field_name,
            name=self.file_name,
            content_type=self.content_type,
            size=file_size,
            charset=self.charset,
            content_type_extra=self.content_type_extra,
        )
