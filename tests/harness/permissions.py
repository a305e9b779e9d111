"""Grant and take away permissions on a broker with an authorizer, through its plain listener."""

from collections.abc import Iterable
from typing import Any, TypeAlias

from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

Grant: TypeAlias = tuple[str, str, str]
"""Operation, kind of resource, name: `("READ", "TOPIC", "posts")`. A name that ends in `*` is a prefix."""


def set_grants(bootstrap: str, user: str, grants: Iterable[Grant]) -> None:
    """Give `user` exactly these permissions. Raises the broker's error."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    anything: Any = None
    theirs = AclBindingFilter(
        ResourceType.ANY,
        anything,
        ResourcePatternType.ANY,
        f"User:{user}",
        anything,
        AclOperation.ANY,
        AclPermissionType.ANY,
    )
    for found in admin.delete_acls([theirs]).values():
        found.result(20)
    bindings = [_binding(user, *grant) for grant in grants]
    for found in admin.create_acls(bindings).values() if bindings else ():
        found.result(20)


def _binding(user: str, operation: str, kind: str, name: str) -> AclBinding:
    pattern = ResourcePatternType.PREFIXED if name.endswith("*") else ResourcePatternType.LITERAL
    return AclBinding(
        ResourceType[kind],
        name.removesuffix("*"),
        pattern,
        f"User:{user}",
        "*",
        AclOperation[operation],
        AclPermissionType.ALLOW,
    )
