variable "organizational_unit_ids" {
  description = "The organizational units, or the root, whose accounts get the role. Units below them are included."
  type        = list(string)
}

variable "trusted_roles" {
  description = "The ARNs of the roles that may assume the role: the role of the exporter."
  type        = list(string)
}

variable "external_id" {
  description = "The external id that the request must contain. Empty means none."
  type        = string
  default     = ""
  sensitive   = true
}

variable "name" {
  description = "The name of the role, which is role_name in the configuration of the exporter, and of the StackSet."
  type        = string
  default     = "iot-bulk-exporter"
}

variable "kinds" {
  description = "The kinds that the exporter watches. The default null means those that it watches without a configuration."
  type        = list(string)
  default     = null

  validation {
    condition     = var.kinds == null ? true : length(var.kinds) > 0
    error_message = "kinds: set at least one of them, or the role has no permissions."
  }
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

variable "stack_region" {
  description = "The Region of the stacks. The default null means the Region of the provider."
  type        = string
  default     = null
}

variable "call_as" {
  description = "SELF in the management account, or DELEGATED_ADMIN in an account that is a delegated administrator of StackSets."
  type        = string
  default     = "SELF"

  validation {
    condition     = contains(["SELF", "DELEGATED_ADMIN"], var.call_as)
    error_message = "call_as: expected SELF or DELEGATED_ADMIN."
  }
}

variable "tags" {
  description = "The tags of the StackSet, and of the roles."
  type        = map(string)
  default     = {}
}
