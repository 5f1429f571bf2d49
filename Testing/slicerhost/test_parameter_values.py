"""Parameters: what is kept, under which names, and what is refused. Texts and names are those of Slicer 5.12."""

import enum
import pathlib
from typing import Annotated, Optional, Union

import pytest


class Kind(enum.Enum):
    FIRST = 1
    SECOND = 2


@pytest.fixture
def make(slicer, scene):
    """Wrap a class with these annotations around a new node; returns the wrapper and the node."""
    from slicer.parameterNodeWrapper import parameterNodeWrapper

    def wrap(annotations, node=None, **defaults):
        cls = parameterNodeWrapper(type("Parameters", (), {"__annotations__": annotations, **defaults}))
        node = node or scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")
        return cls(node), node

    return wrap


@pytest.mark.parametrize(
    ("kind", "default", "value", "texts"),
    [
        (int, 0, -3, {"p": "-3"}),
        (float, 0, 2.5, {"p": "2.5"}),
        (str, "", "text {x}", {"p": "text {x}"}),
        (bool, False, True, {"p": "True"}),
        (pathlib.Path, pathlib.Path(), pathlib.Path("/a/b"), {"p": "/a/b"}),
        (Kind, Kind.FIRST, Kind.SECOND, {"p": "SECOND"}),
        (tuple[int, str], (0, ""), (4, "four"), {"p.0": "4", "p.1": "four"}),
        (list[float], [], [1.5, 2.0], {"p.len": "2", "p.0": "1.5", "p.1": "2.0"}),
        (dict[str, int], {}, {"a": 1}, {"p.len": "1", "p.0.0": "a", "p.0.1": "1"}),
        (Optional[int], None, 7, {"p.0": "7"}),  # noqa: UP045
        (Union[int, str], 0, "x", {"p.1": "x"}),  # noqa: UP007
        (list[list[int]], [], [[1], []], {"p.len": "2", "p.0.len": "1", "p.0.0": "1", "p.1.len": "0"}),
    ],
)
def test_values_and_how_they_are_kept(make, kind, default, value, texts):
    parameters, node = make({"p": kind})
    assert parameters.p == default
    parameters.p = value
    assert parameters.p == value
    kept = {name: node.GetParameter(name) for name in node.GetParameterNames()}
    assert kept == texts
    again, _ = make({"p": kind}, node)
    assert again.p == value


def test_nodes_are_references(make, slicer, scene):
    parameters, node = make({"volume": slicer.vtkMRMLScalarVolumeNode})
    assert parameters.volume is None
    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    parameters.volume = volume
    assert parameters.volume is volume
    assert node.GetNodeReference("volume") is volume
    with pytest.raises(TypeError):
        parameters.volume = scene.AddNewNodeByClass("vtkMRMLModelNode")
    scene.RemoveNode(volume)
    assert parameters.volume is None


def test_defaults(make):
    from slicer.parameterNodeWrapper import Default

    counter = iter(range(10))
    parameters, node = make(
        {
            "equals": int,
            "annotated": Annotated[float, Default(7.5)],
            "made": Annotated[int, Default(generator=lambda: next(counter))],
        },
        equals=3,
    )
    assert (parameters.equals, parameters.annotated, parameters.made) == (3, 7.5, 0)
    assert node.GetParameter("annotated") == "7.5"
    assert parameters.default("equals").value == 3
    node.UnsetParameter("equals")
    assert parameters.equals == 3


@pytest.mark.parametrize(
    ("kind", "rules", "bad", "error"),
    [
        (int, ["Minimum(2)"], 1, ValueError),
        (int, ["Maximum(2)"], 3, ValueError),
        (float, ["WithinRange(0, 1)"], 1.01, ValueError),
        (str, ["Choice(['a', 'b'])"], "c", ValueError),
        (str, ["Exclude(['a'])"], "a", ValueError),
        (int, [], 2.5, TypeError),
        (str, [], 3, TypeError),
        (bool, [], 1, TypeError),
        (int, [], None, ValueError),
        (Kind, [], "FIRST", TypeError),
        (list[int], [], [1, "x"], TypeError),
        (tuple[int, int], [], (1, 2, 3), ValueError),
        (Union[int, str], [], 2.5, TypeError),  # noqa: UP007
    ],
)
def test_what_breaks_a_rule_is_refused_and_changes_nothing(make, kind, rules, bad, error):
    import slicer.parameterNodeWrapper

    rules = [eval(rule, vars(slicer.parameterNodeWrapper)) for rule in rules]  # noqa: S307
    start = {int: 2, float: 0.5, str: "b"}.get(kind)
    defaults = {} if start is None else {"p": start}
    parameters, node = make({"p": Annotated.__class_getitem__((kind, *rules)) if rules else kind}, **defaults)
    before = {name: node.GetParameter(name) for name in node.GetParameterNames()}
    with pytest.raises(error):
        parameters.p = bad
    assert {name: node.GetParameter(name) for name in node.GetParameterNames()} == before


def test_a_rule_of_ones_own(make):
    from slicer.parameterNodeWrapper import Validator

    class Even(Validator):
        def validate(self, value):
            if value % 2:
                raise ValueError("odd")

    parameters, _ = make({"p": Annotated[int, Even()]})
    with pytest.raises(ValueError, match="odd"):
        parameters.p = 3


def test_a_serializer_of_ones_own(make):
    from slicer.parameterNodeWrapper import Serializer, parameterNodeSerializer

    class Colour:
        def __init__(self, text):
            self.text = text

    @parameterNodeSerializer
    class ColourSerializer(Serializer):
        @staticmethod
        def canSerialize(type_):
            return type_ is Colour

        @staticmethod
        def create(type_):
            return ColourSerializer() if type_ is Colour else None

        def default(self):
            return Colour("black")

        def isIn(self, node, name):
            return node.HasParameter(name)

        def write(self, node, name, value):
            node.SetParameter(name, value.text)

        def read(self, node, name):
            return Colour(node.GetParameter(name))

        def remove(self, node, name):
            node.UnsetParameter(name)

    parameters, node = make({"p": Colour})
    assert node.GetParameter("p") == "black"
    parameters.p = Colour("red")
    assert parameters.p.text == "red"
    assert not parameters.isCached("p")


def test_lists_and_dictionaries_keep_themselves(make):
    parameters, node = make({"values": list[int], "table": dict[str, float]})
    parameters.values = [3, 1, 2]
    parameters.values.append(5)
    parameters.values.sort()
    parameters.values[0] = 9
    del parameters.values[1]
    parameters.values += [7]
    assert parameters.values == [9, 3, 5, 7]
    assert [node.GetParameter(f"values.{i}") for i in range(5)] == ["9", "3", "5", "7", ""]
    parameters.values.remove(3)
    assert parameters.values.pop() == 7
    assert parameters.values == [9, 5]
    with pytest.raises(NotImplementedError):
        parameters.values + [1]  # noqa: RUF005
    parameters.table["a"] = 1.5
    parameters.table.update(b=2.5)
    del parameters.table["a"]
    assert dict(parameters.table) == {"b": 2.5}
    again, _ = make({"values": list[int], "table": dict[str, float]}, node)
    assert (again.values, again.table) == ([9, 5], {"b": 2.5})


def test_observers_see_the_new_value_once(make):
    import vtk

    parameters, _ = make({"p": int, "values": list[int]})
    seen = []
    parameters.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: seen.append((parameters.p, len(parameters.values))))
    parameters.p = 4
    parameters.values = [1, 2, 3]
    parameters.p = 4  # no change, no event
    assert seen == [(4, 0), (4, 3)]


def test_modifying_in_a_batch(make, slicer):
    import vtk

    parameters, _ = make({"a": int, "b": int})
    events = []
    tag = parameters.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: events.append(1))
    with slicer.util.NodeModify(parameters):
        parameters.a = 1
        parameters.b = 2
    assert len(events) == 1
    parameters.RemoveObserver(tag)
    parameters.a = 5
    assert len(events) == 1


def test_changes_of_the_node_are_seen(make):
    parameters, node = make({"p": int})
    assert parameters.isCached("p")
    node.SetParameter("p", "12")
    assert parameters.p == 12


def test_packs(make):
    from slicer.parameterNodeWrapper import Minimum, isParameterPack, nestedParameterNames, parameterPack

    @parameterPack
    class Point:
        x: Annotated[float, Minimum(0)]
        y: float = 2.0

    @parameterPack
    class Box:
        corner: Point
        name: str = "box"

    assert isParameterPack(Point)
    assert Point(1.0) == Point(x=1.0, y=2.0)
    assert nestedParameterNames(Box) == ["corner.x", "corner.y", "name"]
    with pytest.raises(ValueError):
        Point(-1.0)
    with pytest.raises(TypeError):
        Point(z=1)
    parameters, node = make({"box": Box})
    parameters.box = Box(Point(3.0, 4.0), "b")
    assert node.GetParameter("box.corner.x") == "3.0"
    parameters.box.corner.x = 5.0
    assert parameters.box.corner == Point(5.0, 4.0)
    assert node.GetParameter("box.corner.x") == "5.0"
    with pytest.raises(ValueError):
        parameters.box.corner.x = -5.0
    assert parameters.getValue("box.corner.y") == 4.0
    parameters.setValue("box.name", "other")
    assert node.GetParameter("box.name") == "other"
    assert parameters.dataType("box.corner.y") is float
    with pytest.raises(ValueError):
        parameters.getValue("box.colour")


def test_a_default_that_breaks_its_rule_is_refused():
    from slicer.parameterNodeWrapper import Minimum, parameterPack

    with pytest.raises(ValueError, match="fails the validation"):
        parameterPack(type("P", (), {"__annotations__": {"x": Annotated[int, Minimum(1)]}, "x": 0}))


def test_types_that_slicer_can_not_keep_are_refused(make):
    with pytest.raises(TypeError, match="member p"):
        make({"p": int | None})  # before Python 3.14 not a typing.Union
    with pytest.raises(TypeError, match="member p"):
        make({"p": object})


def test_reserved_names_are_refused(make):
    with pytest.raises(ValueError, match="connectGui"):
        make({"connectGui": int}, connectGui=3)


def test_unknown_names(make):
    parameters, _ = make({"p": int})
    for call in (parameters.getValue, parameters.isCached, parameters.default, parameters.dataType):
        with pytest.raises(ValueError, match="Cannot find a param"):
            call("q")


def test_a_saved_scene_brings_the_values_back(make, slicer, scene, tmp_path):
    parameters, node = make({"p": float, "values": list[str], "volume": slicer.vtkMRMLScalarVolumeNode})
    node.SetName("parameters")
    parameters.p, parameters.values = 0.1 + 0.2, ["ä", "b|;c", ""]
    path = tmp_path / "scene.mrml"
    scene.SetURL(str(path))
    assert scene.Commit()
    scene.Clear(0)
    scene.SetURL(str(path))
    assert scene.Connect()
    again, _ = make(
        {"p": float, "values": list[str], "volume": slicer.vtkMRMLScalarVolumeNode},
        scene.GetFirstNodeByName("parameters"),
    )
    assert again.p == 0.1 + 0.2
    assert again.values == ["ä", "b|;c", ""]
