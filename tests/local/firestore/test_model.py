"""Random sequences of writes, deletes and transactions against a plain dict."""

from __future__ import annotations

import copy
import uuid
from typing import Any, ClassVar

import pytest
from google.api_core import exceptions
from google.cloud import firestore
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

IDS = st.sampled_from(["a", "b", "c"])
NAMES = st.sampled_from(["x", "y", "z.z"])
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.text(max_size=3), st.lists(st.integers(0, 3), max_size=3)
)
CONTENTS = st.dictionaries(NAMES, VALUES, max_size=3)


class Documents(RuleBasedStateMachine):
    client: ClassVar[firestore.Client]

    def __init__(self) -> None:
        super().__init__()
        self.collection = self.client.collection(f"m{uuid.uuid4().hex}")
        self.model: dict[str, dict[str, Any]] = {}
        self.last_time: Any = None

    def rising(self, result: Any) -> None:
        assert self.last_time is None or result.update_time >= self.last_time
        self.last_time = result.update_time

    @rule(name=IDS, content=CONTENTS)
    def create(self, name: str, content: dict[str, Any]) -> None:
        if name in self.model:
            with pytest.raises(exceptions.AlreadyExists):
                self.collection.document(name).create(content)
        else:
            self.rising(self.collection.document(name).create(content))
            self.model[name] = content

    @rule(name=IDS, content=CONTENTS)
    def replace(self, name: str, content: dict[str, Any]) -> None:
        self.collection.document(name).set(content)
        self.model[name] = content

    @rule(name=IDS, content=CONTENTS.filter(bool))
    def merge(self, name: str, content: dict[str, Any]) -> None:
        self.collection.document(name).set(content, merge=True)
        self.model[name] = {**self.model.get(name, {}), **content}

    @rule(name=IDS, field=NAMES, amount=st.integers(-3, 3))
    def increment(self, name: str, field: str, amount: int) -> None:
        path = f"`{field}`"
        if name not in self.model:
            with pytest.raises(exceptions.NotFound):
                self.collection.document(name).update({path: firestore.Increment(amount)})
            return
        self.collection.document(name).update({path: firestore.Increment(amount)})
        before = self.model[name].get(field)
        number = before if isinstance(before, int) and not isinstance(before, bool) else 0
        self.model[name] = {**self.model[name], field: number + amount}

    @rule(name=IDS, field=NAMES)
    def remove_field(self, name: str, field: str) -> None:
        if name in self.model:
            self.collection.document(name).update({f"`{field}`": firestore.DELETE_FIELD})
            self.model[name] = {key: value for key, value in self.model[name].items() if key != field}

    @rule(name=IDS)
    def delete(self, name: str) -> None:
        self.collection.document(name).delete()
        self.model.pop(name, None)

    @rule(one=IDS, other=IDS, disturbed=st.booleans())
    def swap_in_a_transaction(self, one: str, other: str, disturbed: bool) -> None:
        transaction = self.client.transaction()
        transaction._begin()
        documents = {name: self.collection.document(name) for name in (one, other)}
        contents = {name: document.get(transaction=transaction).to_dict() for name, document in documents.items()}
        if disturbed:
            documents[one].set({"disturbed": uuid.uuid4().hex})
            self.model[one] = documents[one].get().to_dict()
        for name, source in ((one, other), (other, one)):
            if contents[source] is None:
                transaction.delete(documents[name])
            else:
                transaction.set(documents[name], contents[source])
        if disturbed:
            with pytest.raises(exceptions.Aborted):
                transaction._commit()
            return
        transaction._commit()
        before = copy.deepcopy(self.model)
        for name, source in ((one, other), (other, one)):
            self.model.pop(name, None)
            if source in before:
                self.model[name] = before[source]

    @invariant()
    def same_documents(self) -> None:
        assert {snapshot.id: snapshot.to_dict() for snapshot in self.collection.stream()} == self.model

    @invariant()
    def same_query(self) -> None:
        found = self.collection.where(filter=firestore.FieldFilter("x", ">", 0)).stream()
        expected = [
            (content["x"], name)
            for name, content in self.model.items()
            if isinstance(content.get("x"), int) and content["x"] is not True and content["x"] > 0
        ]
        assert [(snapshot.get("x"), snapshot.id) for snapshot in found] == sorted(expected)


def test_any_sequence_of_writes_gives_what_a_dict_gives(client: firestore.Client) -> None:
    Documents.client = client
    limits = settings(
        max_examples=20, stateful_step_count=12, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    run_state_machine_as_test(Documents, settings=limits)
