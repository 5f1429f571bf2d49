"""What is remembered on this computer between sessions (QSettings, group ``FractureAI``)."""

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
    def model(self) -> str:
        """Identifier of the bundle that reads; ``demo`` at first."""
        return self._get("Model", "demo")

    @model.setter
    def model(self, identifier: str) -> None:
        self._set("Model", identifier)

    def shortcut(self, action: str, default: str) -> str:
        """Return the key sequence of an action, for example ``P``."""
        return self._get(f"Shortcuts/{action}", default)

    def set_shortcut(self, action: str, keys: str) -> None:
        """Change the key sequence of an action."""
        self._set(f"Shortcuts/{action}", keys)
