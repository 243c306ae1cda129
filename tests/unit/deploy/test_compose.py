"""The compose file holds together; no Docker engine is needed, nor is one asked."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

DEPLOY = Path(__file__).parents[3] / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]


def test_images_are_pinned_or_built_here() -> None:
    for name, service in SERVICES.items():
        if "build" in service:
            stages = (DEPLOY / service["build"]["context"] / "Dockerfile").read_text()
            for target in ("cpu", "cuda"):
                assert f" AS {target}\n" in stages
        else:
            assert re.search(r":v?\d+\.\d+\.\d+(-\w+)?$", service["image"]), name


def test_every_service_is_watched_and_comes_back() -> None:
    for name, service in SERVICES.items():
        assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL"), name
        assert service["restart"] == "unless-stopped", name
        for other, how in service.get("depends_on", {}).items():
            assert other in SERVICES
            assert how["condition"] in ("service_healthy", "service_started")


def test_ports_are_open_to_this_machine_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_what_is_mounted_and_read_is_there() -> None:
    for name, service in SERVICES.items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            known = (DEPLOY / source).exists() if source.startswith(".") else (
                source in COMPOSE["volumes"])  # fmt: skip
            assert known, (name, volume)
        granted = set(service.get("secrets", []))
        assert granted <= set(COMPOSE["secrets"])
        read = set(re.findall(r"/run/secrets/(\w+)", yaml.safe_dump(service)))
        assert read <= granted, name
    prometheus = (DEPLOY / "prometheus/prometheus.yml").read_text()
    assert set(re.findall(r"/run/secrets/(\w+)", prometheus)) <= set(
        SERVICES["prometheus"]["secrets"]
    )


def test_no_secret_is_in_it() -> None:
    assert all("file" in secret for secret in COMPOSE["secrets"].values())
    for service in SERVICES.values():
        for key, value in service.get("environment", {}).items():
            assert not re.search(r"KEY|PASSWORD|TOKEN", key) or key.endswith("__FILE"), (key, value)


def test_addresses_between_services_are_theirs() -> None:
    scraped = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())["scrape_configs"]
    targets = [t for job in scraped for static in job["static_configs"] for t in static["targets"]]
    folder = DEPLOY / "grafana/provisioning"
    (source,) = yaml.safe_load((folder / "datasources/prometheus.yaml").read_text())["datasources"]
    (boards,) = yaml.safe_load((folder / "dashboards/steersman.yaml").read_text())["providers"]
    for address in [*targets, source["url"].removeprefix("http://")]:
        assert address.split(":")[0] in SERVICES
    mounts = [volume.split(":")[1] for volume in SERVICES["grafana"]["volumes"]]
    assert boards["options"]["path"] in mounts
