output "role_arn" {
  description = "The role's ARN: for the annotation of the service account, or role_arn of the exporter's configuration."
  value       = aws_iam_role.this.arn
}

output "policy" {
  description = "The role's policy, as JSON."
  value       = module.documents.policy
}
