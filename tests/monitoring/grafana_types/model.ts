// What a dashboard's JSON must look like, by Grafana's own types.
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

/** A type as JSON has it: with the values of an enumeration instead of its members. */
type Json<T> = T extends string
  ? `${T}`
  : T extends readonly (infer Item)[]
    ? Json<Item>[]
    : T extends object
      ? { [Key in keyof T]: Json<T[Key]> }
      : T;

/** The same with every part left out that Grafana has a default for, which the types do not tell. */
type Loose<T> = T extends readonly (infer Item)[] ? Loose<Item>[] : T extends object ? { [Key in keyof T]?: Loose<T[Key]> } : T;

export type Whole = Json<Omit<Dashboard, "panels" | "templating">>;
export type Section = Json<RowPanel>;
export type Drawn = Json<Panel>;
export type Variable = Json<VariableModel>;
export type Field = Loose<Json<FieldConfig>>;

interface OptionsOf {
  heatmap: HeatmapOptions;
  stat: StatOptions;
  "state-timeline": TimelineOptions;
  table: TableOptions;
  timeseries: GraphOptions;
}
interface CustomOf {
  heatmap: HeatmapCustom;
  stat: Record<string, never>;
  "state-timeline": TimelineCustom;
  table: TableCustom;
  timeseries: GraphCustom;
}
export type Options<Type extends keyof OptionsOf> = Loose<Json<OptionsOf[Type]>>;
export type Custom<Type extends keyof CustomOf> = Loose<Json<CustomOf[Type]>>;
