import { session } from "../state/session.svelte";
import { Problem, problemOf, unreachable } from "./problem";
import type { Schema } from "./client";

/**
 * Sends a file as an artifact's content, telling how many bytes have gone. It is
 * XMLHttpRequest because fetch does not say how far an upload is.
 */
export async function upload(artifact: string, file: File, onprogress: (sent: number) => void, signal: AbortSignal): Promise<Schema["Artifact"]> {
  const token = await session.accessToken();
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", `/api/v1/artifacts/${artifact}/content`);
    if (token) request.setRequestHeader("Authorization", `Bearer ${token}`);
    request.setRequestHeader("Content-Type", file.type || "application/octet-stream");
    request.upload.onprogress = (event) => onprogress(event.loaded);
    request.onload = () => {
      const headers = new Headers({ "X-Request-Id": request.getResponseHeader("X-Request-Id") ?? "" });
      const response = new Response(request.responseText, { status: request.status, headers });
      if (request.status >= 200 && request.status < 300) response.json().then(resolve, reject);
      else problemOf(response).then(reject, reject);
    };
    request.onerror = () => reject(unreachable());
    request.onabort = () => reject(new Problem({ type: "aborted", title: "The upload was stopped", detail: "Nothing of it was kept." }));
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

/** Reads content, or its first bytes. */
export async function read(artifact: string, first?: number): Promise<Response> {
  const attempt = async (token: string) => {
    const headers: Record<string, string> = { Authorization: `Bearer ${token}` };
    if (first !== undefined) headers.Range = `bytes=0-${first - 1}`;
    return fetch(`/api/v1/artifacts/${artifact}/content`, { headers }).catch(() => {
      throw unreachable();
    });
  };
  const token = await session.accessToken();
  let response = await attempt(token);
  if (response.status === 401) response = await attempt(await session.renew(token));
  if (!response.ok) throw await problemOf(response);
  return response;
}
