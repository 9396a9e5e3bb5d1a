"""What is taken, and what names the target."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minewatch.context import DEFAULT_LAYERS, Layer
from minewatch.context._layers import check_layers
from minewatch.context._target import INNOCENT_NAMES, TARGET_LAYERS, target_tags
from minewatch.errors import SettingsError


def test_every_default_layer_says_why_with_its_source():
    for layer in DEFAULT_LAYERS:
        assert any(word in layer.why for word in ("doi:", "https://", "New York Times")), layer.name


def test_default_layers_have_names_of_their_own_and_none_names_the_target():
    assert check_layers(DEFAULT_LAYERS) == DEFAULT_LAYERS
    assert not any(layer.names_the_target for layer in DEFAULT_LAYERS)
    assert all(layer.names_the_target for layer in TARGET_LAYERS)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("landuse", "quarry"),
        ("man_made", "mineshaft"),
        ("man_made", "adit"),
        ("man_made", "tailings_pond"),
        ("man_made", "spoil_heap"),
        ("industrial", "mine"),
        ("historic", "mine"),
        ("resource", "gold"),
        ("resource", "anything"),
        ("disused:man_made", "mineshaft"),
        ("abandoned:landuse", "quarry"),
        ("landuse", "quarry;industrial"),
        ("landuse", "industrial; Quarry"),
        ("landuse", "mining"),
        ("man_made", "headframe"),
        ("man_made", "tailings"),
        ("industrial", "mining"),
        ("building", "mineshaft"),
        ("reservoir_type", "tailings"),
        ("basin", "tailings"),
        ("water", "tailings_pond"),
        ("mineral", "gold"),
        ("product", "gold"),
        ("substance", "gold;ore"),
        ("was:landuse", "quarry"),
        ("removed:landuse", "quarry"),
        ("demolished:man_made", "adit"),
        ("historic:landuse", "quarry"),
        ("ruins:building", "headframe"),
    ],
)
def test_a_tag_of_mining_names_the_target(key, value):
    assert target_tags({"operator": "x", key: value}) == f"{key}={value}"


PLAIN_WORDS = ("mina", "minas", "mine", "mining", "garimpo", "ouro", "oro", "gold", "goud")


@pytest.mark.parametrize("word", PLAIN_WORDS)
@pytest.mark.parametrize("name", ["{}", "La {} Vieja", "Rio-{}", "{}/2", "({})", "El_{}", "{}2"])
def test_a_word_of_mining_that_no_letter_touches_names_the_target(word, name):
    for spelled in (word, word.upper(), word.title()):
        assert target_tags({"name": name.format(spelled)}) == f"name~{word}"


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("Las Minas", "minas"),
        ("Minería El Callao", "mineria"),
        ("Campamento Minero", "minero"),
        ("Río Aurífero", "aurifero"),
        ("Garimpos", "garimpos"),
        ("Vila dos Garimpeiros", "garimpeiros"),
        ("Estrada do Ouro", "ouro"),
        ("Mineração Taboca", "mineracao"),
        ("Lavra do Abacaxi", "lavra"),
        ("Goldmine Camp", "goldmine"),
        ("Gold-Field Road", "gold"),
        ("MINES ROAD", "mines"),
        ("Camp d'orpaillage", "orpaillage"),
        ("Crique d'Or", "d or"),
        ("Piste Minière", "miniere"),
        ("Goudmijn Lawa", "goudmijn"),
        ("Mijnbouwweg", "mijnbouwweg"),
        ("Pista Mina_Nova", "mina"),
        ("Garimpo Minas Gerais", "garimpo"),
        ("Mina Ouro Preto", "mina"),
    ],
)
def test_names_as_mappers_write_them_in_each_language(name, word):
    assert target_tags({"name": name}) == f"name~{word}"


@pytest.mark.parametrize(
    "name",
    [
        "Oropesa",
        "Rua Minas Gerais",
        "MINAS-GERAIS",
        "Ouro Prêto",
        "Fazenda Ouro Verde",
        "Goldener Weg",
        "Golden Lodge",
        "Mineral",
        "Mineiros",
        "Marigold",
        "Minato",
        "Tesoro",
        "Louro",
        "Lavrador",
        "Or Yehuda",
        "Rue du Cor",
        "Ministerio",
        "Rua da Mina d'Água",
        "Minas de Água",
    ],
)
def test_other_names_stay_ordinary(name):
    assert target_tags({"name": name}) is None


def test_a_spring_beside_a_mine_is_no_excuse():
    assert target_tags({"name": "Mina d'Água da Mina Velha"}) == "name~mina"


@given(st.text(alphabet="bckqvxz", min_size=1), st.sampled_from(PLAIN_WORDS))
def test_letters_on_either_side_make_another_word(letters, word):
    assert target_tags({"name": f"x {letters}{word} y"}) is None
    if word != "garimpo":
        assert target_tags({"name": f"x {word}{letters} y"}) is None


@pytest.mark.parametrize("name", INNOCENT_NAMES)
def test_every_exception_holds_a_word_and_says_why_it_does_not_count(name):
    assert any(target_tags({"name": word}) for word in name.split())
    assert target_tags({"name": f"Rua {name.title()}"}) is None
    assert len(INNOCENT_NAMES[name]) > 10


def test_names_of_every_kind_and_other_words_of_mappers_count_and_other_tags_do_not():
    assert target_tags({"name:es": "Mina Uno"}) == "name:es~mina"
    assert target_tags({"old_name": "Garimpo Velho"}) == "old_name~garimpo"
    assert target_tags({"alt_name:en": "Gold Camp"}) == "alt_name:en~gold"
    for key in ("was:name", "bridge:name", "operator", "description", "note", "ref", "note:pt"):
        assert target_tags({key: "Garimpo de ouro"}) == f"{key}~garimpo"
    assert target_tags({"surname": "Mine", "filename": "gold", "surface": "gold"}) is None


def test_other_uses_of_the_same_keys_do_not_name_the_target():
    assert target_tags({"landuse": "forest", "man_made": "pier", "industrial": "port"}) is None
    others = {"water": "lake", "basin": "retention", "product": "oil", "building": "yes;shed"}
    assert target_tags(others) is None
    assert (
        target_tags({"was:landuse": "farm", "substance": "water", "landuse": "quarryside"}) is None
    )


def test_a_layer_takes_its_values_and_kinds_and_no_others():
    water = Layer(name="water", key="natural", values=("water",), kinds=("area",))
    assert water.value_in({"natural": "water"}, "area") == "water"
    assert water.value_in({"natural": "water"}, "line") is None
    assert water.value_in({"natural": "wood"}, "area") is None
    assert water.value_in({}, "area") is None


def test_one_of_several_values_counts_only_in_what_names_the_target():
    tags = {"natural": "water;sand"}
    water = Layer(name="water", key="natural", values=("water",))
    assert water.value_in(tags, "area") is None
    naming = Layer(name="water", key="natural", values=("water",), names_the_target=True)
    assert naming.value_in(tags, "area") == "water;sand"


@pytest.mark.parametrize("name", ["", "Roads", "a b", "target", "tags", "kind", "geometry", "1"])
def test_a_name_that_cannot_be_a_column_is_refused(name):
    with pytest.raises(SettingsError, match="cannot name a layer"):
        Layer(name=name, key="highway")


def test_a_layer_that_lets_nothing_through_is_refused():
    with pytest.raises(SettingsError, match="lets nothing through"):
        Layer(name="roads", key="highway", values=())
    with pytest.raises(SettingsError, match="key of a tag is empty"):
        Layer(name="roads", key=" ")


def test_no_layer_and_two_of_one_name_are_refused():
    with pytest.raises(SettingsError, match="no layer was named"):
        check_layers(())
    with pytest.raises(SettingsError, match="several layers are called highway"):
        check_layers((DEFAULT_LAYERS[0], DEFAULT_LAYERS[0]))
