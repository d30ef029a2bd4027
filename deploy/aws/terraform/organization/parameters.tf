locals {
  # The provider requires a value for each parameter of the template.
  parameters = merge(
    {
      RoleName        = var.name
      Trust           = "role"
      TrustedRoleArns = join(",", var.trusted_roles)
      ExternalId      = var.external_id
      Regions         = join(",", var.regions)
      AssumeRoleArns  = ""
      Namespace       = "monitoring"
      ServiceAccount  = "aws-iot-bulk-exporter"
      OidcProvider    = ""
      ClusterName     = ""
    },
    { for kind in local.kinds : local.words[kind] => tostring(contains(local.watched, kind)) },
    { for purpose in local.purposes : local.words[purpose] => tostring(contains(var.purposes, purpose)) },
  )

  permissions = jsondecode(file("${path.module}/../documents/permissions.json"))
  kinds       = distinct([for permission in local.permissions : permission.kind])
  by_default  = distinct([for permission in local.permissions : permission.kind if permission.by_default])
  watched     = var.kinds == null ? local.by_default : var.kinds
  # Every watched kind has the other purposes.
  purposes = setsubtract([for permission in local.permissions : permission.purpose], ["describe", "dependent"])
  words = {
    for name in concat(local.kinds, tolist(local.purposes)) :
    name => join("", [for word in split("_", name) : title(word)])
  }
}
