"""Who may use a served store, and for what: users, passwords, access lists."""

from runtime.store.access.acl import Acl, Act, Defaults, governed, read_acl, read_defaults
from runtime.store.access.basic import Credentials, read_credentials
from runtime.store.access.caller import ADMINS, ANONYMOUS, EVERYBODY, OPERATORS, Caller
from runtime.store.access.directory import Directory
from runtime.store.access.password import (
    DIGEST_BYTES,
    LONGEST_PASSWORD,
    SALT_BYTES,
    Cost,
    Verifier,
    check_password,
)
from runtime.store.access.users import User, Users, standard_groups
from runtime.store.access.verdicts import Verdicts

__all__ = [
    "ADMINS",
    "ANONYMOUS",
    "DIGEST_BYTES",
    "EVERYBODY",
    "LONGEST_PASSWORD",
    "OPERATORS",
    "SALT_BYTES",
    "Acl",
    "Act",
    "Caller",
    "Cost",
    "Credentials",
    "Defaults",
    "Directory",
    "User",
    "Users",
    "Verdicts",
    "Verifier",
    "check_password",
    "governed",
    "read_acl",
    "read_credentials",
    "read_defaults",
    "standard_groups",
]
