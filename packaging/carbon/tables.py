"""Makes python/smaragdine/carbon/tables/*.csv anew: `python packaging/carbon/tables.py`.

Needs `pip` and `npm` with their registries; nothing of what it reads is run. What no package holds (published ranges
of generation methods, data sheets, social cost) is written here or read from a file, each with its source.
`--packages DIR` keeps what was fetched there, or reads what an earlier run left. `--social-cost FILE` rewrites that
table from the study's explorer's CSV (columns iso3, country, low_16.7, median, high_83.3); without it the table stays.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from figures import EQUIVALENTS, GENERATION, GPU_TDP, NOT_IN_PACKAGES, PUE

TABLES = Path(__file__).parents[2] / "python" / "smaragdine" / "carbon" / "tables"
PYPI = (
    "codecarbon==3.3.2", "carbontracker==2.4.7", "ecologits==0.11.3", "experiment-impact-tracker==0.1.8",
)  # fmt: skip
NPM = (
    "@tgwf/co2@0.19.0", "@cloud-carbon-footprint/aws@0.15.0", "@cloud-carbon-footprint/azure@1.8.0",
)  # fmt: skip

INTENSITY = (
    "place", "kind", "name", "country", "year", "method", "scope", "g_per_kwh", "low", "high", "source", "licence",
)  # fmt: skip
LB_PER_MWH = 0.45359237  # as g/kWh
EGRID = "EPA eGRID2023, annual CO2e total output emission rate (STC2ERTA), by codecarbon 3.3.2"
OWID = "Our World in Data, carbon intensity of electricity (Ember, Energy Institute), by codecarbon 3.3.2"
MAPS = "Electricity Maps, yearly mean of 2025, by @tgwf/co2 0.19.0"
GOOGLE = "Google Cloud region carbon data of 2023, by codecarbon 3.3.2"
CHINA = (
    "Chinese Ministry of Ecology and Environment, announcement 2025 No. 47, table 3 (CO2 alone), by codecarbon 3.3.2"
)
TRACKER = "zone averages of experiment-impact-tracker 0.1.8 (mostly Electricity Maps)"
ZONES = "Cloud Carbon Footprint"
PUBLIC, MIT, CC_BY, ODBL = "public domain (US government)", "MIT", "CC-BY-4.0", "ODbL-1.0"
GOOGLE_LICENCE = "MIT (codecarbon); the source states none"
CHINA_LICENCE = "MIT (codecarbon); an official announcement"
# What that table leaves out, and a prefix that was once in use.
OMITTED = {"GB": "GBR", "NA": "NAM", "AUS": "AUS"}
# Plans, stages and names of whole countries are no regions that run jobs. Of others the package names a grid that they
# do not draw from: West US 2 is in Washington, West US 3 in Arizona and West Central US in Cheyenne, none of them in
# Pacificorp East; North Central US is near Chicago, in PJM.
NO_REGION = re.compile(r"stage$|euap$|^(uk|germany|us|unitedstates|usnorth|northus|eastus3|apsoutheast)$")
WRONG_ZONE = ("westus2", "westus3", "westcentralus", "northcentralus")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=Path, metavar="DIR")
    parser.add_argument("--social-cost", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        packages = Packages(arguments.packages or Path(temporary))
        TABLES.mkdir(parents=True, exist_ok=True)
        iso3 = packages.iso3()
        write("states.csv", INTENSITY, states(packages))
        write("countries.csv", INTENSITY, countries(packages))
        write("zones.csv", INTENSITY, zones(packages, iso3))
        write("provinces.csv", INTENSITY, provinces(packages))
        write("google.csv", INTENSITY, google(packages))
        write("earlier.csv", INTENSITY, earlier(packages, iso3))
        write("generation.csv", INTENSITY, generation(packages))
        write("codes.csv", ("two", "three"), sorted((k, v) for k, v in iso3.items() if len(k) == 2))
        write("clouds.csv", ("place", "name", "zone", "source", "licence"), clouds(packages))
        write("mixes.csv", ("place", "mostly", "share", "year", "source", "licence"), mixes(packages))
        write("water.csv", ("place", "l_per_kwh", "year", "source", "licence"), water(packages))
        write("pue.csv", ("name", "pue", "year", "source", "licence"), PUE)
        write("equivalents.csv", ("name", "short_tons", "year", "source", "licence"), EQUIVALENTS)
        write("hardware.csv", ("name", "kind", "tdp_w", "year", "source", "licence"), hardware(packages))
        if arguments.social_cost:
            columns = ("country", "name", "low", "median", "high", "year", "source", "licence")
            write("social-cost.csv", columns, social_cost(arguments.social_cost))


class Packages:
    """Files within the packages that registries hand out."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        for package in PYPI:
            if not list(directory.glob(package.split("==")[0].replace("-", "_") + "-*.whl")):
                command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", package]
                subprocess.run(command, cwd=directory, check=True)
        for package in NPM:
            if not (directory / self._tarball(package)).exists():
                subprocess.run(["npm", "pack", "--silent", package], cwd=directory, check=True)

    @staticmethod
    def _tarball(package: str) -> str:
        return package.strip("@").replace("/", "-").replace("@", "-") + ".tgz"

    def wheel(self, name: str, path: str) -> str:
        (wheel,) = self._directory.glob(f"{name}-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(path).decode("utf-8-sig")

    def npm(self, package: str, path: str) -> str:
        (full,) = (one for one in NPM if one.startswith(package))
        with tarfile.open(self._directory / self._tarball(full)) as archive:
            member = archive.extractfile(f"package/{path}")
            assert member is not None, path
            return member.read().decode()

    def codecarbon(self, path: str) -> Any:
        return json.loads(self.wheel("codecarbon", f"codecarbon/data/private_infra/{path}"))

    def tracker(self, path: str) -> str:
        return self.wheel("experiment_impact_tracker", f"experiment_impact_tracker/{path}")

    def iso3(self) -> dict[str, str]:
        """Countries' codes of three letters by those of two."""
        table = self.wheel("carbontracker", "carbontracker/data/carbon-intensities.csv")
        return {row["alpha-2"]: row["Code"] for row in csv.DictReader(table.splitlines())} | OMITTED

    def maps(self) -> dict[str, Any]:
        text = self.npm("@tgwf/co2", "dist/esm/data/electricity-maps/yearly_2025.js")
        text = re.sub(r"\\x([0-9a-fA-F]{2})", r"\\u00\1", text[text.index("{") :])
        data: dict[str, Any] = json.JSONDecoder().raw_decode(text)[0]
        return data


def states(packages: Packages) -> Iterator[tuple[object, ...]]:
    for name, of in packages.codecarbon("2023/usa_emissions.json").items():
        if name.startswith("_"):
            continue
        code = of["regionCode"]
        whole = code.upper() in ("US", "USA")
        place, kind = ("USA", "country") if whole else (f"US-{code}", "state")
        title = "United States" if whole else name.title().replace(" Of ", " of ")
        value = round(of["emissions"] * LB_PER_MWH, 1)
        yield (place, kind, title, "USA", 2023, "average", "direct", value, "", "", EGRID, PUBLIC)


def countries(packages: Packages) -> Iterator[tuple[object, ...]]:
    for code, of in packages.codecarbon("global_energy_mix.json").items():
        value = of["carbon_intensity"]
        if value and len(code) == 3:  # 0 stands for a country without figures
            name, year = of["country_name"], of["year"]
            yield (code, "country", name, code, year, "average", "lifecycle", round(value, 1), "", "", OWID, CC_BY)


def zones(packages: Packages, iso3: dict[str, str]) -> Iterator[tuple[object, ...]]:
    for key, of in sorted(packages.maps().items()):
        zone, value = of["zone"], of["carbonIntensity"]["value"]
        place, country = place_of(key, iso3)
        name = zone.get("displayName") or zone["zoneName"]
        yield (place, "country" if place != key else "zone", name, country, 2025, "average", "lifecycle", value, "", "",
               MAPS, ODBL)  # fmt: skip


def place_of(key: str, iso3: dict[str, str]) -> tuple[str, str]:
    """A zone's place and its country. One that is a whole country is that country; GB is not the United Kingdom."""
    country = iso3.get(key.split("-")[0], "")
    key = key.replace("AUS-", "AU-")
    return (country if country and "-" not in key and key != "GB" else key), country


def provinces(packages: Packages) -> Iterator[tuple[object, ...]]:
    for key, of in packages.codecarbon("2023/china_provincial_emissions.json")["data"].items():
        name, value = of["description"], of["emission_factor"]
        yield (key, "province", name, "CHN", of["year"], "average", "direct", value, "", "", CHINA, CHINA_LICENCE)


def google(packages: Packages) -> Iterator[tuple[object, ...]]:
    table = packages.wheel("codecarbon", "codecarbon/data/cloud/impact.csv")
    for row in csv.DictReader(table.splitlines()):
        region = row["region"].replace("me-cenrtal1", "me-central1")
        name = f"Google Cloud {region}, {row['city']}"
        yield (f"gcp:{region}", "cloud", name, row["countryIsoCode"], 2023, "average", "direct", row["impact"], "", "",
               GOOGLE, GOOGLE_LICENCE)  # fmt: skip


def earlier(packages: Packages, iso3: dict[str, str]) -> Iterator[tuple[object, ...]]:
    parameters = json.loads(packages.tracker("emissions/data/co2eq_parameters.json"))["fallbackZoneMixes"]
    names = json.loads(packages.tracker("emissions/data/zone_names.json"))
    names = names.get("zoneShortName", names)
    for key, of in sorted(parameters.items()):
        years = re.findall(r"\b(20[01]\d)\b", of.get("_source", ""))
        value = of.get("carbonIntensity")
        if not years or not value or key.startswith("US-"):  # zones of the USA have been drawn anew since
            continue
        place, country = place_of(key, iso3)
        told = names.get(key) or {}
        name = told.get("zoneName") or told.get("countryName") or key
        yield (place, "country" if place != key else "zone", name, country, max(years), "average", "lifecycle",
               round(value, 1), "", "", TRACKER, MIT)  # fmt: skip


def generation(packages: Packages) -> Iterator[tuple[object, ...]]:
    """The published table, whose medians the package has to agree with where it has them."""
    factors = json.loads(packages.tracker("emissions/data/co2eq_parameters.json"))["emissionFactors"]
    for place, name, year, median, low, high, source, licence, key in GENERATION:
        if key == "oil shale":
            assert factors["zoneOverrides"]["EE"]["coal"]["value"] == median
        elif key:
            assert factors["defaults"][key]["value"] == median, place
        yield (place, "generation", name, "", year, "average", "lifecycle", median, low, high, source, licence)


def clouds(packages: Packages) -> Iterator[tuple[object, ...]]:
    held, iso3 = packages.maps(), packages.iso3()
    aws = packages.npm("@cloud-carbon-footprint/aws", "src/lib/AWSRegions.ts")
    codes = dict(re.findall(r"(\w+) = '([\w-]+)'", aws))
    names = {codes[code]: name for name, code in re.findall(r"'([^']+)': AWS_REGIONS\.(\w+)", aws)}
    for code, zone in re.findall(r"\[AWS_REGIONS\.(\w+)\]: '([\w-]+)'", aws[aws.index("ELECTRICITY_MAPS_ZONES") :]):
        zone, _ = place_of(zone, iso3)
        yield mapped("aws", "AWS", codes[code], names.get(codes[code], ""), zone, f"{ZONES}, aws 0.15.0", "Apache-2.0")
    azure = packages.npm("@cloud-carbon-footprint/azure", "src/lib/AzureRegions.ts")
    codes = dict(re.findall(r"(\w+): \{\s*name: '([\w-]+)'", azure))
    for code, zone in re.findall(r"\[AZURE_REGIONS\.(\w+)\.name\]: '([\w-]+)'", azure):
        region = codes[code].lower()
        if not NO_REGION.search(region) and region not in WRONG_ZONE:
            zone, _ = place_of(zone, iso3)
            yield mapped("azure", "Azure", region, "", zone, f"{ZONES}, azure 1.8.0", "Apache-2.0")
    for place, name, zone in NOT_IN_PACKAGES:
        assert zone in held, zone
        provider, _, region = place.partition(":")
        title = {"aws": "AWS", "azure": "Azure", "gcp": "Google Cloud"}[provider]
        yield mapped(
            provider, title, region, name, place_of(zone, iso3)[0], "the region's published location", "Apache-2.0"
        )


def mapped(provider: str, title: str, region: str, name: str, *of: str) -> tuple[object, ...]:
    return (f"{provider}:{region}", f"{title} {region}{f', {name}' if name else ''}", *of)


def mixes(packages: Packages) -> Iterator[tuple[object, ...]]:
    """What most of a place's electricity is made from."""
    kinds = {
        "coal_TWh": "coal", "gas_TWh": "gas", "oil_TWh": "oil", "nuclear_TWh": "nuclear",
        "hydroelectricity_TWh": "hydropower", "wind_TWh": "wind", "solar_TWh": "solar", "biofuel_TWh": "biomass",
    }  # fmt: skip
    for code, of in packages.codecarbon("global_energy_mix.json").items():
        most = max(kinds, key=lambda kind: of.get(kind) or 0.0)
        # The balance counts Estonia's oil shale as oil.
        name = "oil shale" if (code, kinds[most]) == ("EST", "oil") else kinds[most]
        if of["total_TWh"] and of[most] and len(code) == 3:
            yield (code, name, round(min(1.0, of[most] / of["total_TWh"]), 2), of["year"], OWID, CC_BY)
    provinces = {
        "alberta": "AB", "british columbia": "BC", "manitoba": "MB", "new brunswick": "NB",
        "newfoundland and labrador": "NL", "nova scotia": "NS", "ontario": "ON", "prince edward island": "PE",
        "quebec": "QC", "saskatchewan": "SK", "yukon": "YT", "northwest territories": "NT", "nunavut": "NU",
    }  # fmt: skip
    words = {"naturalGas": "gas", "petroleum": "oil", "hydro": "hydropower"}
    for name, of in packages.codecarbon("2023/canada_energy_mix.json").items():
        total = of.pop("total", None)
        if name in provinces and total:
            most = max(of, key=of.__getitem__)
            source = "Canadian provinces' generation, by codecarbon 3.3.2"
            yield (f"CA-{provinces[name]}", words.get(most, most), round(of[most] / total, 2), 2023, source, MIT)


def water(packages: Packages) -> Iterator[tuple[object, ...]]:
    for of in json.loads(packages.wheel("ecologits", "ecologits/data/electricity_mixes.json"))["electricity_mixes"]:
        if "electricity-mix-wue-world" not in (of["warnings"] or []) and of["name"] != "WOR" and of["wue"]:
            source = "ecologits 0.11.3, after the World Resources Institute's guidance of 2020"
            yield (of["name"], round(of["wue"], 3), 2020, source, "MPL-2.0")


def hardware(packages: Packages) -> Iterator[tuple[object, ...]]:
    yield from ((name, "gpu", watts, year, source, "facts of data sheets") for name, watts, year, source in GPU_TDP)
    table = packages.tracker("gpu/data/tdp.csv")
    held = {name.casefold() for name, *_ in GPU_TDP}
    for row in csv.DictReader(table.splitlines()):
        if row["name"].casefold() not in held and "Xeon" not in row["name"]:
            yield (row["name"], "gpu", row["tdp"], 2020, "experiment-impact-tracker 0.1.8", MIT)
    table = packages.wheel("codecarbon", "codecarbon/data/hardware/cpu_power.csv")
    kept = re.compile(r"^(Intel (Xeon|Core i[579])|AMD (EPYC|Ryzen))")
    for row in csv.DictReader(table.splitlines()):
        if kept.match(row["Name"]):
            yield (row["Name"], "cpu", f"{float(row['TDP']):g}", 2026, "codecarbon 3.3.2", MIT)


def social_cost(path: Path) -> Iterator[tuple[object, ...]]:
    source = "Ricke et al. 2018, SSP2, RCP6.0, BHM short run, growth-adjusted discounting; 66 % interval"
    with path.open(newline="") as text:
        for row in csv.DictReader(text):
            figures = (f"{float(row[column]):.5g}" for column in ("low_16.7", "median", "high_83.3"))
            yield (
                row["iso3"],
                row["country"],
                *figures,
                2018,
                source,
                "published study; the database states no licence",
            )


def write(file: str, columns: Iterable[str], rows: Iterable[tuple[object, ...]]) -> None:
    with (TABLES / file).open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(columns)
        rows = list(rows)
        writer.writerows(rows)
    print(f"{file}: {len(rows)} rows, {(TABLES / file).stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
