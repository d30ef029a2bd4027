variable "name" {
  description = "The role's name."
  type        = string
  default     = "iot-bulk-exporter"
}

variable "path" {
  description = "The role's path."
  type        = string
  default     = "/"
}

variable "permissions_boundary" {
  description = "The ARN of a policy that bounds the role."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of the resources."
  type        = map(string)
  default     = {}
}

variable "kinds" {
  description = "The kinds that the exporter watches here; null: those that it watches without a configuration. None for a role that only assumes others."
  type        = list(string)
  default     = null
}

variable "purposes" {
  description = "What is read besides operations by their ids: discover, tags, or an option of a kind, as details."
  type        = list(string)
  default     = ["discover"]
}

variable "regions" {
  description = "The Regions that are watched; none named: all."
  type        = list(string)
  default     = []
}

variable "assume_roles" {
  description = "The ARNs of the roles that the exporter assumes in other accounts."
  type        = list(string)
  default     = []
}

variable "irsa" {
  description = "The service account that gets the role by IRSA."
  type        = object({ oidc_provider_arn = string, namespace = string, service_account = string })
  default     = null
}

variable "pod_identity" {
  description = "The service account that gets the role by EKS Pod Identity."
  type        = object({ cluster_arn = string, namespace = string, service_account = string })
  default     = null
}

variable "trusted_roles" {
  description = "The ARNs of the roles, in another account as a rule, that may assume this one."
  type        = list(string)
  default     = []
}

variable "external_id" {
  description = "The external id that whoever assumes the role from another account must tell."
  type        = string
  default     = null
  sensitive   = true
}
