"""Services, network policies and disruption budgets: who reaches the pods, and what they reach."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

from tests.support.helm_chart import Document, ci_values, only_object, pod_of, render

ON = "--set=networkPolicy.enabled=true"


def policy(*arguments: str) -> Document:
    """The specification of the NetworkPolicy."""
    found: Document = only_object(render(ON, *arguments), "NetworkPolicy")["spec"]
    return found


def lets_out(rules: list[dict[str, Any]], address: str, port: int, protocol: str = "TCP") -> bool:
    """Tell whether egress rules let a packet through, as Kubernetes reads them."""
    return any(
        {"port": port, "protocol": protocol} in rule["ports"] and ("to" not in rule or _is_of(rule["to"], address))
        for rule in rules
    )


def _is_of(peers: list[dict[str, Any]], address: str) -> bool:
    networks = [ip_network(peer["ipBlock"]["cidr"]) for peer in peers if "ipBlock" in peer]
    return any(ip_address(address) in network for network in networks)


def test_what_aws_needs_goes_out_and_nothing_else() -> None:
    egress = policy()["egress"]
    assert policy()["policyTypes"] == ["Ingress", "Egress"]
    for address in ("10.0.0.10", "fd00::10"):
        assert lets_out(egress, address, 53, "UDP")
        assert lets_out(egress, address, 53)
        assert lets_out(egress, address, 443)
        assert not lets_out(egress, address, 80)
    for agent in ("169.254.170.23", "fd00:ec2::23"):
        assert lets_out(egress, agent, 80)
    assert not lets_out(egress, "169.254.169.254", 80)


def test_each_way_out_can_be_closed_narrowed_or_added() -> None:
    agentless = policy("--set=networkPolicy.egress.podIdentityAgent=false")["egress"]
    assert not lets_out(agentless, "169.254.170.23", 80)
    for metadata in ("169.254.169.254", "fd00:ec2::254"):
        assert lets_out(policy("--set=networkPolicy.egress.instanceMetadata=true")["egress"], metadata, 80)
    narrow = policy("--set=networkPolicy.egress.https[0].ipBlock.cidr=192.0.2.0/24")["egress"]
    assert lets_out(narrow, "192.0.2.1", 443)
    assert not lets_out(narrow, "203.0.113.1", 443)
    assert policy(ci_values("network-policy"))["egress"][-1]["ports"] == [{"port": 3128}]


def test_egress_can_be_left_alone() -> None:
    alone = policy("--set=networkPolicy.egress.enabled=false")
    assert alone["policyTypes"] == ["Ingress"]
    assert "egress" not in alone


def test_everybody_may_scrape_the_port_of_the_pods() -> None:
    (rule,) = policy("--set=containerPort=9098,service.port=80")["ingress"]
    assert rule == {"ports": [{"port": 9098, "protocol": "TCP"}]}


def test_who_may_scrape_can_be_limited_and_helm_test_still_may() -> None:
    documents = render(ci_values("network-policy"))
    (scrape, extra) = only_object(documents, "NetworkPolicy")["spec"]["ingress"]
    tester, prometheus = scrape["from"]
    assert tester["podSelector"]["matchLabels"].items() <= only_object(documents, "Pod")["metadata"]["labels"].items()
    assert prometheus["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "prometheus"}
    assert extra["from"] == [{"ipBlock": {"cidr": "192.0.2.0/24"}}]


def test_the_policy_is_that_of_the_exporter_s_pods_and_not_of_helm_test() -> None:
    documents = render(ON)
    selector = only_object(documents, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"].items()
    assert selector <= pod_of(documents)["metadata"]["labels"].items()
    assert not selector <= only_object(documents, "Pod")["metadata"]["labels"].items()


def test_a_service_never_takes_the_pod_of_helm_test_for_an_exporter() -> None:
    documents = render()
    selector = only_object(documents, "Service")["spec"]["selector"].items()
    assert not selector <= only_object(documents, "Pod")["metadata"]["labels"].items()


def test_a_service_can_have_both_families_of_addresses() -> None:
    service = only_object(render(ci_values("ipv6")), "Service")["spec"]
    assert service["ipFamilyPolicy"] == "RequireDualStack"
    assert service["ipFamilies"] == ["IPv6", "IPv4"]
    assert not only_object(render(), "Service")["spec"].keys() & {"ipFamilyPolicy", "ipFamilies", "clusterIP"}


def test_the_exporter_listens_for_both_families() -> None:
    assert "--web.listen-address=:9098" in pod_of(render("--set=containerPort=9098"))["spec"]["containers"][0]["args"]


def test_the_service_of_shards_is_headless_and_no_other_service_changed() -> None:
    alone, sharded = only_object(render(), "Service"), only_object(render("--set=shards=2"), "Service")
    assert sharded["spec"]["clusterIP"] == "None"
    assert sharded["metadata"]["name"] != alone["metadata"]["name"]
    assert only_object(render("--set=shards=2"), "StatefulSet")["spec"]["serviceName"] == sharded["metadata"]["name"]


def test_a_budget_lets_one_pod_go_unless_told_otherwise() -> None:
    def budget(*settings: str) -> Document:
        documents = render("--set=podDisruptionBudget.enabled=true", *settings)
        found: Document = only_object(documents, "PodDisruptionBudget")["spec"]
        found.pop("selector")
        return found

    assert budget() == {"maxUnavailable": 1}
    assert budget("--set=podDisruptionBudget.minAvailable=50%") == {"minAvailable": "50%"}
    assert budget("--set=podDisruptionBudget.maxUnavailable=0") == {"maxUnavailable": 0}
