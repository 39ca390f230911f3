"""Who may use a served store, and for what: users, passwords, access lists."""

from runtime.store.access.acl import Act
from runtime.store.access.caller import ADMINS, ANONYMOUS, EVERYBODY, OPERATORS, Caller
from runtime.store.access.directory import Directory
from runtime.store.access.password import Cost, Verifier, check_password
from runtime.store.access.users import User, Users, standard_groups

__all__ = [
    "ADMINS",
    "ANONYMOUS",
    "EVERYBODY",
    "OPERATORS",
    "Act",
    "Caller",
    "Cost",
    "Directory",
    "User",
    "Users",
    "Verifier",
    "check_password",
    "standard_groups",
]
