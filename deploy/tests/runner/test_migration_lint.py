"""The lint turns red for each thing that a new migration must not do."""

import pytest
from django.db.migrations.graph import MigrationGraph

from deploy import migration_lint

# As Django writes it, by the rule that it breaks.
FAULTS = {
    "adding-required-field": 'ALTER TABLE "t" ADD COLUMN "a" integer NOT NULL;',
    # Of AddField with `default`. With `db_default` the version before can insert.
    "ban-drop-default": """ALTER TABLE "t" ADD COLUMN "a" integer DEFAULT 0 NOT NULL;
        ALTER TABLE "t" ALTER COLUMN "a" DROP DEFAULT;""",
    "adding-not-nullable-field": 'ALTER TABLE "t" ALTER COLUMN "a" SET NOT NULL;',
    "ban-drop-column": 'ALTER TABLE "t" DROP COLUMN "a" CASCADE;',
    "ban-drop-table": 'DROP TABLE "t" CASCADE;',
    "renaming-column": 'ALTER TABLE "t" RENAME COLUMN "a" TO "b";',
    "renaming-table": 'ALTER TABLE "t" RENAME TO "u";',
    "changing-column-type": """ALTER TABLE "t" ALTER COLUMN "a" TYPE bigint
        USING "a"::bigint;""",
    "require-concurrent-index-creation": 'CREATE INDEX "i" ON "t" ("a");',
    "require-concurrent-index-deletion": 'DROP INDEX IF EXISTS "i";',
    "constraint-missing-not-valid": """ALTER TABLE "t" ADD CONSTRAINT "c"
        CHECK ("a" > 0);""",
}
HARMLESS = {
    "a column that may be empty": 'ALTER TABLE "t" ADD COLUMN "a" integer NULL;',
    "db_default": 'ALTER TABLE "t" ADD COLUMN "a" integer DEFAULT 0 NOT NULL;',
    "an index of a new table": """CREATE TABLE "n" ("a" varchar(9) NOT NULL);
        CREATE INDEX "i" ON "n" ("a");""",
}
CREATE = 'CREATE INDEX CONCURRENTLY "i" ON "t" ("a");'
CONCURRENTLY = f"DROP INDEX CONCURRENTLY IF EXISTS i;\n{CREATE}"


def rules(sql: str, timeout: str = "5s") -> set[str]:
    return {rule for rule, _ in migration_lint.faults(sql, timeout)}


@pytest.mark.parametrize("rule", FAULTS)
def test_what_disturbs_the_version_before_is_named(rule: str) -> None:
    assert rules(f"BEGIN;\n{FAULTS[rule]}\nCOMMIT;") == {rule}


@pytest.mark.parametrize("sql", HARMLESS.values(), ids=HARMLESS)
def test_what_does_not_is_not(sql: str) -> None:
    assert rules(f"BEGIN;\n{sql}\nCOMMIT;") == set()


def test_an_index_is_built_while_its_table_is_used() -> None:
    assert rules(CONCURRENTLY) == set()
    within = rules(f"BEGIN;\n{CREATE}\nCOMMIT;")
    assert "ban-concurrent-index-creation-in-transaction" in within


def test_an_index_that_was_left_half_built_is_built_again() -> None:
    assert rules(CREATE) == {"repeatable-index-creation"}


def test_a_role_without_lock_timeout_is_a_fault() -> None:
    [harmless, *_] = HARMLESS.values()
    assert rules(harmless, timeout="0") == {"require-lock-timeout"}


def test_an_exception_is_for_one_rule_of_one_migration() -> None:
    """And one that excepts nothing is a fault too."""
    found = {"t.0002_a": [("ban-drop-column", "line 2: x")], "t.0003_b": []}
    excepted = [{"migration": "t.0002_a", "rule": "ban-drop-column"}]
    for_nothing = [{"migration": "t.0003_b", "rule": "ban-drop-table"}]
    assert [*migration_lint.report(found, [])] == [
        "t.0002_a: ban-drop-column: line 2: x"
    ]
    assert [*migration_lint.report(found, excepted)] == []
    assert [*migration_lint.report(found, excepted + for_nothing)] == [
        "t.0003_b: ban-drop-table: remove the exception, which is not needed"
    ]


def test_what_is_not_in_the_baseline_is_new() -> None:
    last = migration_lint.TABLE["baseline"]["users"]
    graph = MigrationGraph()
    names = [("users", "0001_initial"), ("users", last), ("users", "9999_later")]
    for name in [*names, ("reports", "0001_initial")]:
        graph.add_node(name, None)
    for child, parent in zip(names[1:], names, strict=False):
        graph.add_dependency(None, child, parent)
    assert migration_lint.new_migrations(graph) == [
        ("reports", "0001_initial"),
        names[-1],
    ]


def test_every_exception_has_a_reason() -> None:
    for each in migration_lint.TABLE.get("exception", []):
        assert each.keys() == {"migration", "rule", "reason"}
