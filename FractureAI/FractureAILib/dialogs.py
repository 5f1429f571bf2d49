"""Questions for files and folders."""

import qt
from slicer.i18n import tr as _


def ask_files(parent, title: str, folder: str = "") -> list[str]:
    """Let the user choose files; [] when they change their mind."""
    dialog = qt.QFileDialog(parent, title, folder)
    dialog.setFileMode(qt.QFileDialog.ExistingFiles)
    return _chosen(dialog)


def ask_folder(parent, title: str, folder: str = "") -> str:
    """Let the user choose a folder; "" when they change their mind."""
    dialog = qt.QFileDialog(parent, title, folder)
    dialog.setFileMode(qt.QFileDialog.Directory)
    dialog.setOption(qt.QFileDialog.ShowDirsOnly, True)
    return next(iter(_chosen(dialog)), "")


def ask_new_file(parent, title: str, name: str, suffix: str) -> str:
    """Let the user choose where to write a file; "" when they change their mind.

    Args:
        parent: widget in front of which it is asked.
        title: of the question.
        name: proposed, may hold a folder.
        suffix: without dot, for example ``csv``; added where the user gives none.
    """
    dialog = qt.QFileDialog(parent, title, "")
    dialog.setAcceptMode(qt.QFileDialog.AcceptSave)
    dialog.setFileMode(qt.QFileDialog.AnyFile)
    dialog.setNameFilters([_("{suffix} files (*.{lower})").format(suffix=suffix.upper(), lower=suffix)])
    dialog.setDefaultSuffix(suffix)
    dialog.selectFile(name)
    return next(iter(_chosen(dialog)), "")


def ask_yes(parent, title: str, question: str) -> bool:
    """Ask a question that is answered by yes or no; no is the default."""
    box = qt.QMessageBox(parent)
    box.setWindowTitle(title)
    box.setText(question)
    box.setStandardButtons(qt.QMessageBox.Yes | qt.QMessageBox.No)
    box.setDefaultButton(qt.QMessageBox.No)
    answer = box.exec_()
    box.deleteLater()
    return answer == qt.QMessageBox.Yes


def _chosen(dialog: qt.QFileDialog) -> list[str]:
    accepted = dialog.exec_()
    chosen = [str(path) for path in dialog.selectedFiles()] if accepted else []
    dialog.deleteLater()
    return chosen
