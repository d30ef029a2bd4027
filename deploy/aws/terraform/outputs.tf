output "role_arn" {
  description = "The ARN for the annotation of the service account, or for role_arn in the configuration of the exporter."
  value       = aws_iam_role.this.arn
}

output "policy" {
  description = "The policy of the role as JSON."
  value       = module.documents.policy
}
