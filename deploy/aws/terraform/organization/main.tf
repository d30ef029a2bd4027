# The role of aws-iot-bulk-exporter in each account of organizational units, and in each account that joins them later.
# The StackSet has the template that also creates a single role, so that both have the same policy.

terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.0"
    }
  }
}

data "aws_region" "this" {}

resource "aws_cloudformation_stack_set" "this" {
  name             = var.name
  description      = "The role that aws-iot-bulk-exporter assumes in each account."
  permission_model = "SERVICE_MANAGED"
  call_as          = var.call_as
  capabilities     = ["CAPABILITY_NAMED_IAM"]
  parameters       = local.parameters
  tags             = var.tags
  # The provider can neither compare nor update a parameter with NoEcho.
  template_body = replace(file("${path.module}/../../cloudformation.yaml"), "    NoEcho: true\n", "")

  auto_deployment {
    enabled                          = true
    retain_stacks_on_account_removal = false
  }

  operation_preferences {
    failure_tolerance_percentage = 100
    max_concurrent_percentage    = 100
  }

  lifecycle {
    # AWS chooses the administration role.
    ignore_changes = [administration_role_arn]
  }
}

# IAM is global: one Region is sufficient.
resource "aws_cloudformation_stack_instances" "this" {
  stack_set_name = aws_cloudformation_stack_set.this.name
  call_as        = var.call_as
  regions        = [coalesce(var.stack_region, data.aws_region.this.region)]

  deployment_targets {
    organizational_unit_ids = var.organizational_unit_ids
  }
}
