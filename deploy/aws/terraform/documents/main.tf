# The two policy documents of the role. No provider takes part, so that they can be printed and tested without AWS.

locals {
  # Printed from the exporter's table of kinds: what each calls AWS for, and the actions which that takes.
  permissions = jsondecode(file("${path.module}/permissions.json"))
  known_kinds = distinct(local.permissions[*].kind)

  kinds = var.kinds != null ? var.kinds : distinct([for one in local.permissions : one.kind if one.by_default])

  always         = ["describe", "dependent"]
  known_purposes = setsubtract(local.permissions[*].purpose, local.always)

  watching = [
    for one in local.permissions : merge(
      {
        Sid      = one.sid
        Effect   = "Allow"
        Action   = one.actions
        Resource = [for resource in one.resources : replace(resource, "/^arn:\\*:/", "arn:${var.partition}:")]
      },
      { for key, value in local.within_regions : key => value if length(var.regions) > 0 },
    )
    if contains(local.kinds, one.kind) && contains(concat(local.always, var.purposes), one.purpose)
  ]
  # Loops leave them out where they are not wanted: both sides of a conditional would have to be of one type.
  within_regions = {
    Condition = { StringEquals = { "aws:RequestedRegion" = var.regions } }
  }

  # EKS Pod Identity tags its sessions, and the tags go along into every role that is assumed from one.
  assuming = [
    for roles in [var.assume_roles] : {
      Sid      = "RolesOfAccounts"
      Effect   = "Allow"
      Action   = var.pod_identity == null ? ["sts:AssumeRole"] : ["sts:AssumeRole", "sts:TagSession"]
      Resource = roles
    }
    if length(roles) > 0
  ]

  issuer = var.irsa == null ? "" : regex("oidc-provider/(.+)$", var.irsa.oidc_provider_arn)[0]

  irsa = [
    for irsa in var.irsa[*] : {
      Sid       = "Irsa"
      Effect    = "Allow"
      Principal = { Federated = irsa.oidc_provider_arn }
      Action    = ["sts:AssumeRoleWithWebIdentity"]
      Condition = {
        StringEquals = {
          "${local.issuer}:sub" = "system:serviceaccount:${irsa.namespace}:${irsa.service_account}"
          "${local.issuer}:aud" = "sts.amazonaws.com"
        }
      }
    }
  ]

  pod_identity = [
    for pod in var.pod_identity[*] : {
      Sid       = "PodIdentity"
      Effect    = "Allow"
      Principal = { Service = "pods.eks.amazonaws.com" }
      Action    = ["sts:AssumeRole", "sts:TagSession"]
      Condition = {
        StringEquals = {
          "aws:RequestTag/eks-cluster-arn"            = pod.cluster_arn
          "aws:RequestTag/kubernetes-namespace"       = pod.namespace
          "aws:RequestTag/kubernetes-service-account" = pod.service_account
        }
      }
    }
  ]

  trusted = [
    for roles in [var.trusted_roles] : merge(
      {
        Sid       = "OtherAccount"
        Effect    = "Allow"
        Principal = { AWS = roles }
        Action    = ["sts:AssumeRole", "sts:TagSession"]
      },
      { for key, value in local.with_external_id : key => value if var.external_id != null },
    )
    if length(roles) > 0
  ]
  with_external_id = {
    Condition = { StringEquals = { "sts:ExternalId" = var.external_id } }
  }
}
