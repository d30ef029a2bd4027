variable "name" {
  description = "The name of the role."
  type        = string
  default     = "iot-bulk-exporter"
}

variable "path" {
  description = "The path of the role."
  type        = string
  default     = "/"
}

variable "permissions_boundary" {
  description = "The ARN of the policy that is the permissions boundary of the role."
  type        = string
  default     = null
}

variable "tags" {
  description = "The tags of the resources."
  type        = map(string)
  default     = {}
}

variable "kinds" {
  description = "The kinds that the exporter watches in this account. The default null means those that it watches without a configuration. Use [] for a role that only assumes other roles."
  type        = list(string)
  default     = null
}

variable "purposes" {
  description = "What the exporter reads in addition to operations by their ids: discover, tags, failures (for the command and the setting failures), or an option of a kind such as details."
  type        = list(string)
  default     = ["discover"]
}

variable "regions" {
  description = "The Regions that the exporter may read. The default [] means all."
  type        = list(string)
  default     = []
}

variable "assume_roles" {
  description = "The ARNs of the roles that the exporter assumes in other accounts."
  type        = list(string)
  default     = []
}

variable "irsa" {
  description = "The service account that may assume the role with IRSA."
  type        = object({ oidc_provider_arn = string, namespace = string, service_account = string })
  default     = null
}

variable "pod_identity" {
  description = "The service account that may assume the role with EKS Pod Identity."
  type        = object({ cluster_arn = string, namespace = string, service_account = string })
  default     = null
}

variable "trusted_roles" {
  description = "The ARNs of the roles that may assume this one. They are usually in another account."
  type        = list(string)
  default     = []
}

variable "external_id" {
  description = "The external id that a request from another account must contain."
  type        = string
  default     = null
  sensitive   = true
}
