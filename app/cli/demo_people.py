"""The demo's staffing table: people who do not exist, the same ones every time."""

import csv
import io
import random
from datetime import date, timedelta

SEED = 20_251
#: e-mail addresses end in a domain that is nobody's (RFC 2606)
DOMAIN = "example.com"
FIRST_NAMES = (
    "Ada Amara Anders Anika Beatriz Bruno Carla Chen Dalia Dmitri Elif Emeka Farah Felix Giulia Goran Hana Hugo "
    "Ines Ivan Jamal Jana Kaito Karim Lena Liam Maja Mateo Nadia Noor Olga Omar Paula Pavel Rania Rosa Samir Sanna "
    "Tariq Thea Uma Viktor Wanda Yara Yusuf Zofia"
)
LAST_NAMES = (
    "Abara Berg Castro Dubois Eriksen Farkas Garcia Haddad Ito Jansen Kaya Lindqvist Moreau Novak Okafor Petrov "
    "Quist Rossi Silva Tanaka Ueda Varga Weber Xu Yilmaz Zeman Adeyemi Bauer Costa Doyle Fischer Horvat"
)
CITIES = (
    "Amsterdam", "Austin", "Berlin", "Bogotá", "Chicago", "Dublin", "Hamburg", "Lagos", "Lisbon", "London", "Lyon",
    "Madrid", "Milan", "Montréal", "Oslo", "Prague", "São Paulo", "Toronto", "Warsaw", "Zürich",
)  # fmt: skip
#: role -> (skills, what such people did)
ROLES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "data engineer": (
        ("Python", "SQL", "Airflow", "Spark", "dbt", "Kafka", "PostgreSQL"),
        ("moved nightly reports to streaming", "rebuilt a warehouse on open table formats"),
    ),
    "security analyst": (
        ("SIEM", "incident response", "threat hunting", "Python", "forensics", "YARA"),
        ("led the response to a ransomware case", "wrote detections for stolen credentials"),
    ),
    "frontend developer": (
        ("TypeScript", "React", "CSS", "accessibility", "Playwright", "GraphQL"),
        ("made a booking site usable with a screen reader", "halved the load time of a shop"),
    ),
    "backend developer": (
        ("Go", "Java", "PostgreSQL", "gRPC", "Redis", "Kubernetes"),
        ("split a payments monolith into services", "kept an order system up through its busiest day"),
    ),
    "platform engineer": (
        ("Kubernetes", "Terraform", "Linux", "Prometheus", "AWS", "networking"),
        ("brought deployments from days to minutes", "cut a cloud bill by a third"),
    ),
    "machine learning engineer": (
        ("Python", "PyTorch", "embeddings", "MLOps", "vector search", "evaluation"),
        ("shipped semantic search over support tickets", "built fraud scoring that explains itself"),
    ),
    "nurse": (
        ("intensive care", "triage", "patient records", "wound care", "team leadership"),
        ("ran the night shift of an intensive care unit", "trained new colleagues in triage"),
    ),
    "accountant": (
        ("IFRS", "payroll", "tax", "SAP", "auditing", "Excel"),
        ("closed the books of a group of twelve companies", "introduced digital invoices"),
    ),
    "mechanical engineer": (
        ("CAD", "FEM", "hydraulics", "prototyping", "quality control"),
        ("designed pumps for clean water plants", "brought a packaging line into production"),
    ),
    "logistics coordinator": (
        ("route planning", "customs", "warehousing", "SAP", "negotiation"),
        ("planned cold transports across borders", "reorganised a warehouse while it ran"),
    ),
}
COLUMNS = (
    "candidate_id", "name", "email", "city", "years_experience", "skills", "summary", "hourly_rate", "available_from",
)  # fmt: skip


def build_candidates(count: int) -> bytes:
    """A CSV of `count` people, UTF-8, the same bytes for the same count on every machine."""
    chance = random.Random(SEED)
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for number in range(1, count + 1):
        writer.writerow(_build_person(chance, number))
    return file.getvalue().encode()


def _build_person(chance: random.Random, number: int) -> list[object]:
    first, last = chance.choice(FIRST_NAMES.split()), chance.choice(LAST_NAMES.split())
    role = chance.choice(list(ROLES))
    skills, deeds = ROLES[role]
    known = chance.sample(skills, 3)
    years = chance.randint(1, 28)
    summary = (
        f"{role.capitalize()} with {years} year{'s' * (years != 1)} of experience in {known[0]} and {known[1]}. "
        f"Recently {chance.choice(deeds)}."
    )
    return [
        f"C-{number:05d}",
        f"{first} {last}",
        f"{first}.{last}.{number}@{DOMAIN}".lower(),
        chance.choice(CITIES),
        years,
        ", ".join(known),
        summary,
        f"{30 + years * 2 + chance.randint(0, 40)}.{chance.choice(('00', '50'))}",
        (date(2026, 1, 1) + timedelta(days=chance.randint(0, 364))).isoformat(),
    ]
