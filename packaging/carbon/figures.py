"""Published figures that no package holds, as `tables.py` writes them down: each with its year, source and licence."""

from __future__ import annotations

_IPCC = "IPCC AR5 WG III, annex III, table A.III.2: lifecycle, lowest, median and highest of the literature"
_EASAC = "EASAC 2007, as experiment-impact-tracker 0.1.8 has it for Estonia's oil shale"
_POST = "UK Parliamentary Office of Science and Technology, as experiment-impact-tracker 0.1.8 has it"
_FACTS = "published figures"

# Place, name, year, median, low, high, source, licence, and what the package calls it where it has the median.
GENERATION = (
    ("wind", "wind, onshore", 2014, 11, 7, 56, _IPCC, _FACTS, "wind"),
    ("nuclear", "nuclear", 2014, 12, 3.7, 110, _IPCC, _FACTS, "nuclear"),
    ("hydropower", "hydropower", 2014, 24, 1, 2200, _IPCC, _FACTS, "hydro"),
    ("geothermal", "geothermal", 2014, 38, 6, 79, _IPCC, _FACTS, "geothermal"),
    ("solar", "solar, rooftop", 2014, 41, 26, 60, _IPCC, _FACTS, ""),
    ("solar-utility", "solar, utility scale", 2014, 48, 18, 180, _IPCC, _FACTS, ""),
    ("biomass", "biomass, dedicated", 2014, 230, 130, 420, _IPCC, _FACTS, "biomass"),
    ("gas", "gas, combined cycle", 2014, 490, 410, 650, _IPCC, _FACTS, "gas"),
    ("oil", "oil", 2014, 650, "", "", _POST, "MIT", "oil"),
    ("coal", "coal, pulverised", 2014, 820, 740, 910, _IPCC, _FACTS, "coal"),
    ("oil-shale", "oil shale", 2007, 1515, "", "", _EASAC, "MIT", "oil shale"),
)

_CLOUD_PUE = "Cloud Carbon Footprint's assumption"
PUE = (
    ("tracker", 1.58, 2018, "Ascierto 2018, as Strubell et al. 2019 and experiment-impact-tracker use it", _FACTS),
    ("uptime-2020", 1.59, 2020, "Uptime Institute's survey of 2020, as Bizo et al. 2021 report it", _FACTS),
    ("aws", 1.135, 2021, f"{_CLOUD_PUE}, aws 0.15.0 (its constants are of 2021)", "Apache-2.0"),
    ("azure", 1.185, 2021, f"{_CLOUD_PUE}, azure 1.8.0 (its constants are of 2021)", "Apache-2.0"),
)

_STRUBELL = "EnergyVis (2021), table 1, after Strubell et al. 2019; its tons are short tons (1,984 lb are 0.99)"
EQUIVALENTS = (
    ("flights from New York to San Francisco, of one passenger", 0.99, 2019, _STRUBELL, _FACTS),
    ("years of an average human life", 5.52, 2019, _STRUBELL, _FACTS),
    ("years of an average American life", 18.08, 2019, _STRUBELL, _FACTS),
    ("lifetimes of an average car, with its fuel", 63.00, 2019, _STRUBELL, _FACTS),
)

_NVIDIA = "NVIDIA's data sheet: maximum power"
# Name, watts, year of the product, source. A part of a name that a driver tells is enough to find it.
GPU_TDP = (
    ("NVIDIA H200", 700, 2023, f"{_NVIDIA} (SXM)"),
    ("NVIDIA H100 80GB HBM3", 700, 2022, f"{_NVIDIA} (SXM5)"),
    ("NVIDIA H100 PCIe", 350, 2022, _NVIDIA),
    ("NVIDIA A100-SXM4-80GB", 400, 2020, _NVIDIA),
    ("NVIDIA A100-SXM4-40GB", 400, 2020, _NVIDIA),
    ("NVIDIA A100 80GB PCIe", 300, 2021, _NVIDIA),
    ("NVIDIA A100-PCIE-40GB", 250, 2020, _NVIDIA),
    ("NVIDIA L40S", 350, 2023, _NVIDIA),
    ("NVIDIA L4", 72, 2023, _NVIDIA),
    ("NVIDIA A40", 300, 2020, _NVIDIA),
    ("NVIDIA A10", 150, 2021, _NVIDIA),
    ("Tesla T4", 70, 2018, _NVIDIA),
    ("Tesla V100-SXM2-32GB", 300, 2018, _NVIDIA),
    ("Tesla V100-SXM2-16GB", 300, 2017, _NVIDIA),
    ("NVIDIA GeForce RTX 3090", 350, 2020, _NVIDIA),
    ("NVIDIA GeForce RTX 4090", 450, 2022, _NVIDIA),
)

# Cloud regions whose published location lies in one grid zone, and for which no package names it.
NOT_IN_PACKAGES = (
    ("aws:ap-east-1", "Hong Kong", "HK"),
    ("aws:cn-north-1", "Beijing", "CN"),
    ("aws:cn-northwest-1", "Ningxia", "CN"),
    ("aws:me-south-1", "Bahrain", "BH"),
    ("aws:me-central-1", "United Arab Emirates", "AE"),
    ("azure:eastasia", "Hong Kong", "HK"),
    ("azure:southeastasia", "Singapore", "SG"),
    ("azure:uaenorth", "United Arab Emirates", "AE"),
    ("azure:uaecentral", "United Arab Emirates", "AE"),
    ("gcp:africa-south1", "Johannesburg", "ZA"),
    ("gcp:asia-east1", "Taiwan", "TW"),
    ("gcp:asia-east2", "Hong Kong", "HK"),
    ("gcp:asia-northeast1", "Tokyo", "JP-TK"),
    ("gcp:asia-northeast2", "Osaka", "JP-KN"),
    ("gcp:asia-northeast3", "Seoul", "KR"),
    ("gcp:asia-south1", "Mumbai", "IN-WE"),
    ("gcp:asia-south2", "Delhi", "IN-NO"),
    ("gcp:asia-southeast1", "Singapore", "SG"),
    ("gcp:asia-southeast2", "Jakarta", "ID"),
    ("gcp:australia-southeast1", "Sydney", "AU-NSW"),
    ("gcp:australia-southeast2", "Melbourne", "AU-VIC"),
    ("gcp:europe-central2", "Warsaw", "PL"),
    ("gcp:europe-north1", "Hamina", "FI"),
    ("gcp:europe-southwest1", "Madrid", "ES"),
    ("gcp:europe-west1", "St. Ghislain", "BE"),
    ("gcp:europe-west2", "London", "GB"),
    ("gcp:europe-west3", "Frankfurt", "DE"),
    ("gcp:europe-west4", "Eemshaven", "NL"),
    ("gcp:europe-west6", "Zurich", "CH"),
    ("gcp:europe-west8", "Milan", "IT-NO"),
    ("gcp:europe-west9", "Paris", "FR"),
    ("gcp:europe-west10", "Berlin", "DE"),
    ("gcp:europe-west12", "Turin", "IT-NO"),
    ("gcp:me-central1", "Doha", "QA"),
    ("gcp:me-central2", "Dammam", "SA"),
    ("gcp:me-west1", "Tel Aviv", "IL"),
    ("gcp:northamerica-northeast1", "Montreal", "CA-QC"),
    ("gcp:northamerica-northeast2", "Toronto", "CA-ON"),
    ("gcp:southamerica-east1", "Sao Paulo", "BR-CS"),
    ("gcp:southamerica-west1", "Santiago", "CL-SEN"),
    ("gcp:us-central1", "Council Bluffs", "US-MIDW-MISO"),
    ("gcp:us-east4", "Ashburn", "US-MIDA-PJM"),
    ("gcp:us-east5", "Columbus", "US-MIDA-PJM"),
    ("gcp:us-south1", "Dallas", "US-TEX-ERCO"),
    ("gcp:us-west3", "Salt Lake City", "US-NW-PACE"),
    ("gcp:us-west4", "Las Vegas", "US-NW-NEVP"),
)
