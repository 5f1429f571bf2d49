"""What is remembered on this computer between sessions (QSettings, group ``FractureAI``)."""

from pathlib import Path

import slicer

RECENT_DATASETS = 8


class Settings:
    """Reads and writes the settings of the application the module runs in; nothing is kept elsewhere."""

    def _get(self, key: str, default: str = "") -> str:
        value = slicer.app.userSettings().value(f"FractureAI/{key}", default)
        return default if value is None else str(value)

    def _set(self, key: str, value: str) -> None:
        slicer.app.userSettings().setValue(f"FractureAI/{key}", value)

    @property
    def rater(self) -> str:
        """Short name of who marks."""
        return self._get("Rater")

    @rater.setter
    def rater(self, name: str) -> None:
        self._set("Rater", name)

    @property
    def blinded(self) -> bool:
        """Whether others' marks and model output are hidden."""
        return self._get("Blinded") == "yes"

    @blinded.setter
    def blinded(self, value: bool) -> None:
        self._set("Blinded", "yes" if value else "no")

    @property
    def proposals(self) -> bool:
        """Whether a model proposes landmarks while a person annotates."""
        return self._get("Proposals", "yes") == "yes"

    @proposals.setter
    def proposals(self, value: bool) -> None:
        self._set("Proposals", "yes" if value else "no")

    @property
    def recent_datasets(self) -> list[str]:
        """Folders of the datasets opened last, the newest first."""
        return [folder for folder in self._get("RecentDatasets").split("\n") if folder]

    def remember_dataset(self, folder: str) -> None:
        """Put a folder at the head of the recent datasets."""
        others = [known for known in self.recent_datasets if known != folder]
        self._set("RecentDatasets", "\n".join([folder, *others][:RECENT_DATASETS]))

    @property
    def server_url(self) -> str:
        """Address of a server elsewhere; "" for the engine beside the viewer."""
        return self._get("ServerUrl")

    @server_url.setter
    def server_url(self, url: str) -> None:
        self._set("ServerUrl", url)

    @property
    def server_token_file(self) -> str:
        """File that holds the token of the server elsewhere."""
        return self._get("ServerTokenFile")

    @server_token_file.setter
    def server_token_file(self, path: str) -> None:
        self._set("ServerTokenFile", path)

    @property
    def engine_folder(self) -> str:
        """Folder for the packages that the engine needs; nothing else is put there."""
        return self._get("EngineFolder") or str(self._own_folder() / "engine")

    @engine_folder.setter
    def engine_folder(self, path: str) -> None:
        self._set("EngineFolder", path)

    @property
    def engine_work_folder(self) -> str:
        """Folder of the engine's jobs, models, readings and log."""
        return self._get("EngineWorkFolder") or str(self._own_folder() / "work")

    @engine_work_folder.setter
    def engine_work_folder(self, path: str) -> None:
        self._set("EngineWorkFolder", path)

    @property
    def reading_log(self) -> str:
        """File of the reading log; "" for the one in the folder of the open dataset."""
        return self._get("ReadingLog")

    @reading_log.setter
    def reading_log(self, path: str) -> None:
        self._set("ReadingLog", path)

    @property
    def model(self) -> str:
        """Identifier of the bundle that reads; ``demo`` at first."""
        return self._get("Model", "demo")

    @model.setter
    def model(self, identifier: str) -> None:
        self._set("Model", identifier)

    @property
    def coverage(self) -> float | None:
        """Share of studies that models are to answer, above 0, at most 1; None: as each model was made."""
        percent = int(self._get("CoveragePercent", "0"))
        return percent / 100 if percent else None

    @coverage.setter
    def coverage(self, share: float | None) -> None:
        self._set("CoveragePercent", str(round(100 * (share or 0))))

    def _own_folder(self) -> Path:
        """Return a folder beside the application's settings file."""
        return Path(slicer.app.slicerUserSettingsFilePath).parent / "FractureAI"

    def shortcut(self, action: str, default: str) -> str:
        """Return the key sequence of an action, for example ``P``."""
        return self._get(f"Shortcuts/{action}", default)

    def set_shortcut(self, action: str, keys: str) -> None:
        """Change the key sequence of an action."""
        self._set(f"Shortcuts/{action}", keys)
