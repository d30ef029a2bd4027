// The required shape of a dashboard in JSON, by Grafana's types.
import type { Dashboard, FieldConfig, Panel, RowPanel, VariableModel } from "@grafana/schema";
import type {
  FieldConfig as HeatmapCustom,
  Options as HeatmapOptions,
} from "@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen";
import type { Options as StatOptions } from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type {
  FieldConfig as TimelineCustom,
  Options as TimelineOptions,
} from "@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen";
import type {
  FieldConfig as TableCustom,
  Options as TableOptions,
} from "@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen";
import type {
  FieldConfig as GraphCustom,
  Options as GraphOptions,
} from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";

/** The JSON form of a type: an enumeration is replaced by its values. */
type Json<T> = T extends string
  ? `${T}`
  : T extends readonly (infer Item)[]
    ? Json<Item>[]
    : T extends object
      ? { [Key in keyof T]: Json<T[Key]> }
      : T;

/** The same type with optional fields. Grafana has defaults, but the types do not show which fields have one. */
type Loose<T> = T extends readonly (infer Item)[] ? Loose<Item>[] : T extends object ? { [Key in keyof T]?: Loose<T[Key]> } : T;

export type Whole = Json<Omit<Dashboard, "annotations" | "panels" | "templating">>;

/** The options that Grafana's Prometheus data source adds to an annotation. The schema does not have them. */
interface PrometheusAnnotation {
  expr: string;
  step: string;
  titleFormat: string;
  textFormat: string;
  tagKeys: string;
}
type AnnotationQuery = NonNullable<NonNullable<Dashboard["annotations"]>["list"]>[number];
export type Annotation = Json<AnnotationQuery> & PrometheusAnnotation;
export type Section = Json<RowPanel>;
export type Drawn = Json<Panel>;
export type Variable = Json<VariableModel>;
export type Field = Loose<Json<FieldConfig>>;

/** The options of the list of alerts, from public/app/plugins/panel/alertlist/types.ts. The schema does not have them. */
interface AlertListOptions {
  viewMode: "list" | "stat";
  groupMode: "default" | "custom";
  groupBy: string[];
  maxItems: number;
  sortOrder: 1 | 2 | 3 | 4 | 5;
  dashboardAlerts: boolean;
  alertName: string;
  alertInstanceLabelFilter: string;
  showInstances: boolean;
  stateFilter: Record<"firing" | "pending" | "noData" | "normal" | "error", boolean> & { recovering?: boolean };
  datasource?: string;
}

interface OptionsOf {
  alertlist: AlertListOptions;
  heatmap: HeatmapOptions;
  stat: StatOptions;
  "state-timeline": TimelineOptions;
  table: TableOptions;
  timeseries: GraphOptions;
}
interface CustomOf {
  alertlist: Record<string, never>;
  heatmap: HeatmapCustom;
  stat: Record<string, never>;
  "state-timeline": TimelineCustom;
  table: TableCustom;
  timeseries: GraphCustom;
}
export type Options<Type extends keyof OptionsOf> = Loose<Json<OptionsOf[Type]>>;
export type Custom<Type extends keyof CustomOf> = Loose<Json<CustomOf[Type]>>;
