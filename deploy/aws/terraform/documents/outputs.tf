output "policy" {
  value = jsonencode({ Version = "2012-10-17", Statement = concat(local.watching, local.listing, local.assuming) })

  precondition {
    condition     = length(setsubtract(local.kinds, local.known_kinds)) == 0
    error_message = "kinds: expected any of ${join(", ", local.known_kinds)}."
  }

  precondition {
    condition     = length(setsubtract(var.purposes, local.known_purposes)) == 0
    error_message = "purposes: expected any of ${join(", ", local.known_purposes)}."
  }

  precondition {
    condition     = length(local.watching) + length(local.assuming) > 0
    error_message = "kinds, assume_roles: set at least one of them, or the role has no permissions."
  }
}

output "trust" {
  value     = jsonencode({ Version = "2012-10-17", Statement = concat(local.irsa, local.pod_identity, local.trusted) })
  sensitive = true

  precondition {
    condition     = length(var.irsa[*]) + length(var.pod_identity[*]) + length(var.trusted_roles) > 0
    error_message = "irsa, pod_identity, trusted_roles: set at least one of them, or nothing can assume the role."
  }
}
