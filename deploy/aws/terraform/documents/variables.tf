variable "partition" {
  type = string
}

variable "kinds" {
  type = list(string)
}

variable "purposes" {
  type = list(string)
}

variable "regions" {
  type = list(string)
}

variable "assume_roles" {
  type = list(string)
}

variable "irsa" {
  type = object({ oidc_provider_arn = string, namespace = string, service_account = string })
}

variable "pod_identity" {
  type = object({ cluster_arn = string, namespace = string, service_account = string })
}

variable "trusted_roles" {
  type = list(string)
}

variable "external_id" {
  type      = string
  sensitive = true
}
