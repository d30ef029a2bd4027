"""Services, network policies and disruption budgets: allowed connections from and to the pods."""

from ipaddress import ip_address, ip_network
from typing import Any

from tests.support.helm_chart import Document, ci_values, only_object, pod_of, render

ON = "--set=networkPolicy.enabled=true"


def policy(*arguments: str) -> Document:
    """Return the specification of the NetworkPolicy."""
    spec: Document = only_object(render(ON, *arguments), "NetworkPolicy")["spec"]
    return spec


def allows(rules: list[dict[str, Any]], address: str, port: int, protocol: str = "TCP") -> bool:
    """Return whether egress rules allow a packet, as Kubernetes reads them."""
    return any(
        {"port": port, "protocol": protocol} in rule["ports"] and ("to" not in rule or _has_peer(rule["to"], address))
        for rule in rules
    )


def _has_peer(peers: list[dict[str, Any]], address: str) -> bool:
    networks = [ip_network(peer["ipBlock"]["cidr"]) for peer in peers if "ipBlock" in peer]
    return any(ip_address(address) in network for network in networks)


def test_egress_is_limited_to_dns_https_and_the_pod_identity_agent() -> None:
    egress = policy()["egress"]
    assert policy()["policyTypes"] == ["Ingress", "Egress"]
    for address in ("10.0.0.10", "fd00::10"):
        assert allows(egress, address, 53, "UDP")
        assert allows(egress, address, 53)
        assert allows(egress, address, 443)
        assert not allows(egress, address, 80)
    for agent in ("169.254.170.23", "fd00:ec2::23"):
        assert allows(egress, agent, 80)
    assert not allows(egress, "169.254.169.254", 80)


def test_each_egress_rule_can_be_removed_limited_or_added() -> None:
    agentless = policy("--set=networkPolicy.egress.podIdentityAgent=false")["egress"]
    assert not allows(agentless, "169.254.170.23", 80)
    for metadata in ("169.254.169.254", "fd00:ec2::254"):
        assert allows(policy("--set=networkPolicy.egress.instanceMetadata=true")["egress"], metadata, 80)
    narrow = policy("--set=networkPolicy.egress.https[0].ipBlock.cidr=192.0.2.0/24")["egress"]
    assert allows(narrow, "192.0.2.1", 443)
    assert not allows(narrow, "203.0.113.1", 443)
    assert policy(ci_values("network-policy"))["egress"][-1]["ports"] == [{"port": 3128}]


def test_egress_rules_can_be_disabled() -> None:
    ingress_only = policy("--set=networkPolicy.egress.enabled=false")
    assert ingress_only["policyTypes"] == ["Ingress"]
    assert "egress" not in ingress_only


def test_any_client_can_connect_to_the_port_of_the_pods() -> None:
    (rule,) = policy("--set=containerPort=9098,service.port=80")["ingress"]
    assert rule == {"ports": [{"port": 9098, "protocol": "TCP"}]}


def test_scrapes_can_be_limited_and_helm_test_is_still_allowed() -> None:
    documents = render(ci_values("network-policy"))
    (scrape, extra) = only_object(documents, "NetworkPolicy")["spec"]["ingress"]
    tester, prometheus = scrape["from"]
    assert tester["podSelector"]["matchLabels"].items() <= only_object(documents, "Pod")["metadata"]["labels"].items()
    assert prometheus["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "prometheus"}
    assert extra["from"] == [{"ipBlock": {"cidr": "192.0.2.0/24"}}]


def test_the_policy_and_the_service_select_only_the_pods_of_the_exporter() -> None:
    documents = render(ON)
    policy_selector = only_object(documents, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"]
    for selector in (policy_selector, only_object(documents, "Service")["spec"]["selector"]):
        assert selector.items() <= pod_of(documents)["metadata"]["labels"].items()
        assert not selector.items() <= only_object(documents, "Pod")["metadata"]["labels"].items()


def test_a_service_can_have_both_ip_families() -> None:
    service = only_object(render(ci_values("ipv6")), "Service")["spec"]
    assert service["ipFamilyPolicy"] == "RequireDualStack"
    assert service["ipFamilies"] == ["IPv6", "IPv4"]
    assert not only_object(render(), "Service")["spec"].keys() & {"ipFamilyPolicy", "ipFamilies", "clusterIP"}


def test_the_exporter_listens_on_both_ip_families() -> None:
    assert "--web.listen-address=:9098" in pod_of(render("--set=containerPort=9098"))["spec"]["containers"][0]["args"]


def test_only_the_service_of_several_shards_is_headless() -> None:
    single, sharded = only_object(render(), "Service"), only_object(render("--set=shards=2"), "Service")
    assert sharded["spec"]["clusterIP"] == "None"
    assert sharded["metadata"]["name"] != single["metadata"]["name"]
    assert only_object(render("--set=shards=2"), "StatefulSet")["spec"]["serviceName"] == sharded["metadata"]["name"]


def test_a_disruption_budget_allows_one_unavailable_pod_by_default() -> None:
    def budget(*settings: str) -> Document:
        documents = render("--set=podDisruptionBudget.enabled=true", *settings)
        spec: Document = only_object(documents, "PodDisruptionBudget")["spec"]
        spec.pop("selector")
        return spec

    assert budget() == {"maxUnavailable": 1}
    assert budget("--set=podDisruptionBudget.minAvailable=50%") == {"minAvailable": "50%"}
    assert budget("--set=podDisruptionBudget.maxUnavailable=0") == {"maxUnavailable": 0}
