import type { Schema } from "../api/client";
import type { operations } from "../api/schema";
import type { Column } from "../components/table";

export type Artifact = Schema["Artifact"];
export type ArtifactType = Artifact["type"];
export type ArtifactSort = NonNullable<NonNullable<operations["listArtifacts"]["parameters"]["query"]>["sort"]>;

export const artifactTypes: ArtifactType[] = ["feature_pipeline", "model_template", "schema", "notebook", "model", "dataset", "config", "report"];

type ArtifactColumn = Column & { sort?: Exclude<ArtifactSort, `-${string}`> };

export const artifactColumns: ArtifactColumn[] = [
  { key: "name", label: "Name", width: 260, flexible: true, sort: "name", fixed: true },
  { key: "type", label: "Type", width: 160 },
  { key: "tags", label: "Tags", width: 184 },
  { key: "usage_count", label: "Uses", width: 84, align: "right", sort: "usage_count", first: "down" },
  { key: "avg_impact_score", label: "Impact", width: 132, align: "right", sort: "avg_impact_score", first: "down" },
  { key: "size_bytes", label: "Size", width: 96, align: "right" },
  { key: "updated_at", label: "Changed", width: 120, sort: "updated_at", first: "down" },
  { key: "created_at", label: "Recorded", width: 120, sort: "created_at", first: "down" },
];

export const usualArtifactColumns = ["name", "type", "tags", "usage_count", "avg_impact_score", "size_bytes", "created_at"];

/** The type that a file's name suggests. */
export function typeOfFile(name: string): ArtifactType {
  if (/\.ipynb$/i.test(name)) return "notebook";
  if (/\.(csv|tsv|parquet|arrow|feather|jsonl|ndjson)$/i.test(name)) return "dataset";
  if (/\.(onnx|pt|pth|pkl|joblib|safetensors|h5|gguf)$/i.test(name)) return "model";
  if (/\.(ya?ml|toml|ini|cfg|env)$/i.test(name)) return "config";
  if (/schema|\.avsc$|\.proto$/i.test(name)) return "schema";
  if (/\.(md|html?|pdf|png|svg)$/i.test(name)) return "report";
  return "feature_pipeline";
}
