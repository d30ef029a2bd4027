# The two policy documents of the role. This module uses no provider, so that tests can print them without AWS.

locals {
  # Printed by the exporter: for each kind, the purposes of its calls and the actions that they require.
  permissions = jsondecode(file("${path.module}/permissions.json"))
  known_kinds = distinct(local.permissions[*].kind)

  kinds = var.kinds != null ? var.kinds : distinct([for permission in local.permissions : permission.kind if permission.by_default])

  always         = ["describe", "dependent"]
  known_purposes = setsubtract(local.permissions[*].purpose, local.always)

  watching = [
    for permission in local.permissions : merge(
      {
        Sid      = permission.sid
        Effect   = "Allow"
        Action   = permission.actions
        Resource = [for resource in permission.resources : replace(resource, "/^arn:\\*:/", "arn:${var.partition}:")]
      },
      { for key, value in local.within_regions : key => value if length(var.regions) > 0 },
    )
    if contains(local.kinds, permission.kind) && contains(concat(local.always, var.purposes), permission.purpose)
  ]
  # Loops omit optional parts. A conditional would require the same type on both sides.
  within_regions = {
    Condition = { StringEquals = { "aws:RequestedRegion" = var.regions } }
  }

  # With "regions: all" the exporter reads which opt-in Regions the account has enabled. Other partitions have none.
  listing = [
    for regions in [var.regions] : {
      Sid      = "Regions"
      Effect   = "Allow"
      Action   = ["account:ListRegions"]
      Resource = ["*"]
    }
    if length(regions) == 0 && length(local.watching) > 0 && var.partition == "aws"
  ]

  # EKS Pod Identity tags its sessions. A role that is assumed from such a session inherits the tags.
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
