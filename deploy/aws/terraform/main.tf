# A role with which aws-iot-bulk-exporter reads the operations of one account, and nothing else.

terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.29"
    }
  }
}

data "aws_partition" "this" {}

module "documents" {
  source = "./documents"

  partition     = data.aws_partition.this.partition
  kinds         = var.kinds
  purposes      = var.purposes
  regions       = var.regions
  assume_roles  = var.assume_roles
  irsa          = var.irsa
  pod_identity  = var.pod_identity
  trusted_roles = var.trusted_roles
  external_id   = var.external_id
}

resource "aws_iam_role" "this" {
  name                 = var.name
  path                 = var.path
  description          = "Reads the bulk operations of AWS IoT for aws-iot-bulk-exporter."
  assume_role_policy   = module.documents.trust
  permissions_boundary = var.permissions_boundary
  tags                 = var.tags
}

resource "aws_iam_role_policy" "this" {
  name   = "read-bulk-operations"
  role   = aws_iam_role.this.id
  policy = module.documents.policy
}

resource "aws_eks_pod_identity_association" "this" {
  count = var.pod_identity == null ? 0 : 1

  cluster_name    = regex("cluster/(.+)$", var.pod_identity.cluster_arn)[0]
  namespace       = var.pod_identity.namespace
  service_account = var.pod_identity.service_account
  role_arn        = aws_iam_role.this.arn
  tags            = var.tags
}
