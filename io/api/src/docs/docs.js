"use strict";
// Renders /openapi.json: operations with parameters, bodies and answers, and a form to try each one.

const $ = (id) => document.getElementById(id);

// Everything is put in as text, never as markup.
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== undefined && child !== null));
  return node;
}

function resolve(api, schema) {
  while (schema && schema.$ref) {
    schema = schema.$ref.slice(2).split("/").reduce((at, key) => at[key], api);
  }
  return schema || {};
}

function typeName(api, schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  const choice = schema.oneOf || schema.anyOf;
  if (choice && !schema.type) return choice.map((each) => typeName(api, each)).join(" or ");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  const types = [].concat(schema.type || "any");
  return types.map((type) => (type === "array" ? `list of ${typeName(api, schema.items)}` : type)).join(" or ");
}

function limits(schema) {
  const known = ["default", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "format", "pattern"];
  return known.filter((key) => schema[key] !== undefined).map((key) => `${key} ${JSON.stringify(schema[key])}`).join(", ");
}

function fields(api, schema, seen = []) {
  const object = resolve(api, schema);
  if (!object.properties) return el("p", {}, object.description || typeName(api, schema));
  const rows = Object.entries(object.properties).map(([name, property]) => {
    const required = (object.required || []).includes(name) ? " (required)" : "";
    const inner = resolve(api, property.type === "array" || (property.items && !property.$ref) ? property.items : property);
    const nested = inner.properties && !seen.includes(inner)
      ? el("details", {}, el("summary", {}, "fields"), fields(api, inner, [...seen, inner])) : null;
    const text = [property.description || inner.description, limits({ ...inner, ...property })].filter(Boolean).join(" — ");
    return el("tr", {}, el("td", {}, el("code", {}, name), required), el("td", {}, el("code", {}, typeName(api, property))),
      el("td", {}, text, nested));
  });
  return el("table", {}, el("tbody", {}, ...rows));
}

function contentOf(part) {
  return part && part.content ? Object.values(part.content)[0] : undefined;
}

function answers(api, operation) {
  const rows = Object.entries(operation.responses).map(([status, reference]) => {
    const response = resolve(api, reference);
    const content = contentOf(response);
    const body = content && content.schema && status < 300
      ? el("details", {}, el("summary", {}, "body"), fields(api, content.schema)) : null;
    return el("tr", {}, el("td", {}, el("code", {}, status)), el("td", {}, response.description, body));
  });
  return el("details", {}, el("summary", {}, "Answers"), el("table", {}, el("tbody", {}, ...rows)));
}

function tryIt(path, method, operation) {
  const inputs = (operation.parameters || []).map((parameter) => ({ parameter, input: el("input", { placeholder: parameter.name }) }));
  const content = contentOf(operation.requestBody);
  const example = content && content.examples ? Object.values(content.examples)[0].value : {};
  const body = content ? el("textarea", { spellcheck: "false" }) : null;
  if (body) body.value = JSON.stringify(example, null, 2);
  const output = el("pre", {});
  async function send() {
    const query = new URLSearchParams();
    let target = path;
    for (const { parameter, input } of inputs) {
      if (parameter.in === "path") target = target.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
      else if (input.value) query.set(parameter.name, input.value);
    }
    const headers = {};
    if ($("token").value) headers.Authorization = `Bearer ${$("token").value}`;
    if (body) headers["Content-Type"] = "application/json";
    try {
      const response = await fetch(target + (query.size ? `?${query}` : ""), { method, headers, body: body ? body.value : undefined });
      const text = await response.text();
      let shown = text;
      try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* not JSON */ }
      output.textContent = `${response.status} ${response.statusText}\n\n${shown}`;
    } catch (error) {
      output.textContent = String(error);
    }
  }
  const rows = inputs.map(({ parameter, input }) => el("p", {}, el("label", {}, `${parameter.name} `, input)));
  return el("details", {}, el("summary", {}, "Try it"), ...rows, body, el("p", {}, el("button", { onclick: send }, "Send")), output);
}

function article(api, path, method, operation) {
  const content = contentOf(operation.requestBody);
  const parameters = (operation.parameters || []).map((parameter) =>
    el("tr", {}, el("td", {}, el("code", {}, parameter.name)), el("td", {}, el("code", {}, typeName(api, parameter.schema))),
      el("td", {}, [parameter.description, limits(parameter.schema)].filter(Boolean).join(" — "))));
  return el("article", { id: operation.operationId },
    el("h3", {}, el("span", { class: `method ${method}` }, method), path),
    el("p", {}, operation.summary),
    parameters.length ? el("table", {}, el("tbody", {}, ...parameters)) : null,
    content ? el("details", {}, el("summary", {}, "Body"), fields(api, content.schema)) : null,
    answers(api, operation), tryIt(path, method, operation));
}

async function main() {
  const api = await (await fetch("/openapi.json")).json();
  $("title").textContent = `${api.info.title} ${api.info.version}`;
  const byTag = new Map(api.tags.map((tag) => [tag.name, { tag, operations: [] }]));
  for (const [path, item] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(item)) {
      byTag.get(operation.tags[0]).operations.push([path, method.toUpperCase(), operation]);
    }
  }
  $("operations").replaceChildren(el("p", {}, api.info.description));
  for (const { tag, operations } of byTag.values()) {
    $("contents").append(el("h2", {}, tag.name));
    $("operations").append(el("h2", {}, tag.name), el("p", {}, tag.description));
    for (const [path, method, operation] of operations) {
      $("contents").append(el("a", { href: `#${operation.operationId}` }, operation.summary));
      $("operations").append(article(api, path, method, operation));
    }
  }
}

main().catch((error) => $("operations").replaceChildren(el("p", {}, `The documentation cannot be shown: ${error}`)));
