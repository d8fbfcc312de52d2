"""What the suites ask of a graph of markings."""

from collections.abc import Iterable

from streams.domain.net.bounded import Reached


def followers_of(reached: Reached) -> list[set[int]]:
    """Return the markings that can follow each marking at once."""
    ends = zip(reached.heads, reached.heads[1:], strict=False)
    return [set(reached.followers[begin:end]) for begin, end in ends]


def deadlocks(reached: Reached) -> list[int]:
    """Return the markings that enable nothing."""
    ends = zip(reached.heads, reached.heads[1:], strict=False)
    return [number for number, (begin, end) in enumerate(ends) if begin == end]


def able_to_reach(followers: list[set[int]], goals: Iterable[int]) -> set[int]:
    """Return the markings from which some goal can be reached, the goals included."""
    before: list[list[int]] = [[] for _ in followers]
    for number, some in enumerate(followers):
        for other in some:
            before[other].append(number)
    able = set(goals)
    queue = list(able)
    while queue:
        for number in before[queue.pop()]:
            if number not in able:
                able.add(number)
                queue.append(number)
    return able


def is_live(reached: Reached) -> bool:
    """Tell whether from every marking every transition can still fire at some point.

    Every run can come to a component that it cannot leave: all must fire in each of those.
    """
    followers = followers_of(reached)
    every = set(range(len(reached.net.transitions)))
    for component in _components(followers):
        if all(other in component for number in component for other in followers[number]):
            fired: set[int] = set()
            for number in component:
                fired.update(reached.labels[reached.heads[number] : reached.heads[number + 1]])
            if fired != every:
                return False
    return True


def _components(followers: list[set[int]]) -> list[set[int]]:
    """Return the strongly connected components (Tarjan, 1972), without recursion."""
    order: dict[int, int] = {}
    lowest: dict[int, int] = {}
    trail: list[int] = []
    found: list[set[int]] = []
    done: set[int] = set()
    for root in range(len(followers)):
        work = [] if root in order else [(root, iter(followers[root]))]
        while work:
            number, rest = work[-1]
            if number not in order:
                order[number] = lowest[number] = len(order)
                trail.append(number)
            other = next((one for one in rest if one not in done), None)
            if other is None:
                work.pop()
                if lowest[number] == order[number]:
                    found.append(_cut(trail, number))
                    done |= found[-1]
                for parent, _ in work[-1:]:
                    lowest[parent] = min(lowest[parent], lowest[number])
            elif other in order:
                lowest[number] = min(lowest[number], order[other])
            else:
                work.append((other, iter(followers[other])))
    return found


def _cut(trail: list[int], number: int) -> set[int]:
    """Take the end of a trail, from a number on."""
    place = len(trail) - 1
    while trail[place] != number:
        place -= 1
    cut = set(trail[place:])
    del trail[place:]
    return cut
