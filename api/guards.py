"""What stands before a route: who asks, how often, and whose turn it is."""

from __future__ import annotations

from fastapi import Depends, Request
from fastapi.params import Depends as Dependency

from api.access.gate import requires
from api.access.principal import Scope
from api.service import Service
from api.throttles import count
from lake.errors import BadParameter


def guards(
    service: Service, scope: Scope, *, reads_lake: bool = True
) -> list[Dependency]:
    """Return the dependencies of a route, in the order in which they are asked.

    Args:
        service: Whose throttle and turns they are.
        scope: What a key must be allowed to be used for.
        reads_lake: Whether the route takes a turn; one that answers from memory
            does not.
    """

    async def counted(request: Request) -> None:
        count(request, service.throttle)

    found = [requires(scope), Depends(counted)]
    if reads_lake:
        found.append(Depends(service.turns, scope="function"))
    return found


def takes(*names: str) -> Dependency:
    """Return the dependency that refuses parameters of the query but these.

    For routes whose query nothing else reads.

    Raises:
        BadParameter: When asked with another one.
    """
    known = f"there is {', '.join(names)}" if names else "there are no parameters here"

    async def check(request: Request) -> None:
        for name, text in request.query_params.items():
            if name not in names:
                raise BadParameter(name, text, known)

    refuses: Dependency = Depends(check)
    return refuses
